"""The one training loop: losses, early stopping, seeds, progress. Models know nothing of it.

A model is an `nn.Module` with `parts` and `length` (what `Batches` must build), `item_table() -> (n_items + 1, d)`,
`states(batch, table) -> (B, T, d)`. A model with losses of its own has `training_step(batch, table) -> (states, loss)`,
one with learning rates of its own `learning_rates() -> [{"params", "lr"}]`.
"""

import copy
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from reprolib.data.split import Split, slices
from reprolib.evaluate.metrics import value
from reprolib.evaluate.ranking import full_rank
from reprolib.training.batches import Batches, Negatives
from reprolib.training.losses import binary_loss, pairwise_loss, softmax_loss

LOSSES = ("bce", "bpr", "ssm")
ROOM = 2**22  # attention weights that encoding computes at a time
VALID_USERS = 10_000  # early stopping looks at no more users than this, as the original SASRec does


@dataclass
class Fit:
    """A trained model and how it got there; the model holds the weights of its best validation epoch."""

    model: nn.Module
    history: list[dict] = field(
        default_factory=list
    )  # one row per epoch: epoch, loss, NDCG@10, seconds
    best_epoch: int = 0
    seconds: float = 0.0
    interrupted: bool = False


def fit(
    model: nn.Module,
    split: Split,
    *,
    loss: str = "bce",
    epochs: int = 200,
    patience: int = 20,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    batch_size: int = 256,
    negatives: int = 512,
    clip: float = 5.0,
    seed: int = 0,
    every: int = 1,
    device: str = "auto",
    progress: bool = True,
) -> Fit:
    """Train until validation NDCG@10 (full ranking) has not risen for `patience` epochs.

    loss       "bce" (as SASRec) and "bpr" (as SemaCDR): one uniform negative per position; "ssm": softmax over the
               positive and `negatives` items drawn uniformly and shared by the batch
    clip       largest gradient norm;  every: validate every so many epochs
    device     "auto" takes a GPU where there is one
    Ctrl-C ends training early and keeps the best state (`Fit.interrupted`). Raises ValueError on a loss that is not
    finite.
    """
    from tqdm.auto import tqdm

    if loss not in LOSSES:
        raise ValueError(f"fit: loss {loss!r} is unknown; use one of {', '.join(LOSSES)}")
    device = pick_device(device)
    rng = seed_everything(seed)
    model.to(device)
    train = Batches(split, "train", model.length, model.parts, device)
    valid = Validation(split, model, device, seed)
    sampler = Negatives(split) if loss != "ssm" else None
    optimiser = torch.optim.Adam(
        _groups(model, lr), lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True
    )
    result, best, best_state, started = Fit(model), -1.0, None, time.perf_counter()
    bar = tqdm(
        range(1, epochs + 1),
        desc=type(model).__name__,
        unit="epoch",
        disable=not progress,
        leave=False,
    )
    try:
        for epoch in bar:
            mean_loss = _epoch(
                model, train, split, sampler, optimiser, loss, batch_size, negatives, clip, rng
            )
            if not np.isfinite(mean_loss):
                raise ValueError(
                    f"fit: the loss of {type(model).__name__} is {mean_loss} in epoch {epoch}; lower lr"
                )
            row = {"epoch": epoch, "loss": mean_loss, "seconds": time.perf_counter() - started}
            if epoch % every == 0 or epoch == epochs:
                row["NDCG@10"] = valid.ndcg(model)
                if row["NDCG@10"] > best:
                    best, result.best_epoch = row["NDCG@10"], epoch
                    best_state = copy.deepcopy(model.state_dict())
            result.history.append(row)
            bar.set_postfix(loss=f"{mean_loss:.4f}", best=f"{best:.4f}", refresh=False)
            if epoch - result.best_epoch >= patience:
                break
    except KeyboardInterrupt:
        result.interrupted = True
    if best_state is not None:
        model.load_state_dict(best_state)
    model.eval()
    result.seconds = time.perf_counter() - started
    return result


def _epoch(
    model, train, split, sampler, optimiser, loss, batch_size, negatives, clip, rng
) -> float:
    model.train()
    step = getattr(model, "training_step", lambda batch, table: (model.states(batch, table), 0.0))
    total, steps = 0.0, 0
    batches = [
        part for rows in train.epoch(batch_size, rng) for part in rows.split(_most(train, rows))
    ]
    if sampler:
        # one draw for the whole epoch, in the order in which the labels are met
        rows = torch.cat(batches)
        drawn = torch.from_numpy(
            sampler.draw(np.repeat(train.user[rows].cpu().numpy(), train.n_np[rows.cpu()]), rng)
        )
        drawn = drawn.to(train.device).split([int(train.n_np[b.cpu()].sum()) for b in batches])
    for i, rows in enumerate(batches):
        batch = train.batch(rows)
        table = model.item_table()
        where = batch.real.flatten().nonzero()[:, 0]
        state, own = step(batch, table)
        state = state.flatten(0, 1)[where]  # (labels, d)
        positive = batch.pos.flatten()[where]
        if sampler:
            value_ = (binary_loss if loss == "bce" else pairwise_loss)(
                state, table, positive, drawn[i]
            )
        else:
            shared = torch.from_numpy(
                rng.integers(split.candidates[0], split.candidates[1] + 1, negatives)
            )
            value_ = softmax_loss(state, table, positive, shared.to(train.device))
        value_ = value_ + own
        optimiser.zero_grad(set_to_none=True)
        value_.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        total, steps = total + value_.detach(), steps + 1
    return float(total) / steps


class Validation:
    """NDCG@10 of the validation events under full ranking, on at most VALID_USERS users drawn with the seed."""

    def __init__(self, split: Split, model: nn.Module, device: torch.device, seed: int):
        self.batches = Batches(split, "valid", model.length, model.parts, device)
        n = len(self.batches)
        self.rows = np.sort(np.random.default_rng(seed).permutation(n)[:VALID_USERS])
        _, pointers, codes = split.seen("valid")
        self.seen = torch.from_numpy(slices(pointers[self.rows], pointers[self.rows + 1], codes)[1])
        self.ptr = torch.from_numpy(np.concatenate([[0], np.cumsum(np.diff(pointers)[self.rows])]))
        self.target = torch.from_numpy(split.item[split.held_out("valid")[1]][self.rows])
        self.candidates = split.candidates

    def ndcg(self, model: nn.Module) -> float:
        """Mean NDCG@10; 0 where the split has no validation events."""
        if not len(self.rows):
            return 0.0
        queries, items = encode(model, self.batches, self.rows)
        rank = full_rank(
            queries, items, self.target.to(items.device), self.ptr, self.seen, *self.candidates
        )
        return float(value(rank.numpy(), "NDCG@10").mean())


@torch.no_grad()
def encode(
    model: nn.Module, batches: Batches, rows: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """(queries (rows, d), items (n_items + 1, d)): the last state of each row and the item table, in eval mode."""
    model.eval()
    table = model.item_table()
    chosen = np.arange(len(batches)) if rows is None else rows
    order = np.argsort(batches.longest[chosen], kind="stable")
    queries = table.new_empty(len(chosen), table.shape[1])
    for part in _chunks(order, batches.longest[chosen][order]):
        batch = batches.batch(torch.from_numpy(chosen[part]).to(batches.device))
        state = model.states(batch, table)
        queries[torch.from_numpy(part).to(table.device)] = state[
            torch.arange(len(part)), batch.n - 1
        ]
    return queries, table.detach()


def _most(batches: Batches, rows: torch.Tensor) -> int:
    """Rows of one step: all but where sequences are so long that their attention would take gigabytes."""
    return max(1, ROOM // (2 * int(batches.longest[rows.cpu().numpy()].max()) ** 2))


def _chunks(order: np.ndarray, longest: np.ndarray) -> list[np.ndarray]:
    """Parts of `order` of at most 1,024 rows and about ROOM attention weights; `longest` rises."""
    filled = np.floor(np.cumsum(np.maximum(longest, 1) ** 2 / ROOM + 1 / 1024))
    return np.split(order, np.flatnonzero(np.diff(filled)) + 1)


def pick_device(device: str) -> torch.device:
    """ "auto" is the GPU where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def seed_everything(seed: int) -> np.random.Generator:
    """Seed torch and return the NumPy generator for everything else."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def _groups(model: nn.Module, lr: float) -> list:
    """Parameter groups: a model may name groups of its own with `learning_rates() -> [{"params", "lr"}]`."""
    return model.learning_rates() if hasattr(model, "learning_rates") else list(model.parameters())
