"""The training loop of sequence models: losses, batches, validation, seeds. Models know nothing of it."""

import copy
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.training.batches import Batch, Batches, Negatives
from reprolib.training.full_softmax import full_softmax_loss
from reprolib.training.losses import binary_loss, pairwise_loss, softmax_loss
from reprolib.training.recipe import Recipe
from reprolib.training.schedule import Schedule
from reprolib.training.start import start_tables
from reprolib.training.stopping import Training, run_epochs
from reprolib.training.validation import Validation

ATTENTION_WEIGHTS = 2**22  # attention weights that one encoding computes at a time
ROWS = 1024  # rows that one encoding computes at a time
VALID_USERS = 10_000  # early stopping looks at no more users than this, as the original SASRec does


class SequenceModel(Protocol):
    """What the loop needs of an `nn.Module`.

    parts   sequences that `Batches` must build for it: ("tgt",), ("tgt", "mix"), ("tgt", "src", "mix"), ...
    length  how many of the latest events of each sequence it reads
    A model with losses of its own also has `training_step(batch, table) -> (states (B, T, d), loss)`, one with
    learning rates of its own `learning_rates() -> [{"params", "lr"}]`.
    """

    parts: tuple[str, ...]
    length: int

    def item_table(self) -> Tensor:
        """(n_items + 1, d) item vectors that states are multiplied with."""
        ...

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        ...


@dataclass
class Fit:
    """A trained model, with the weights of its best look, and the record of its training."""

    model: nn.Module
    training: Training


def fit(
    model: nn.Module, split: Split, *, seed: int = 0, progress: bool = True, **options: object
) -> Fit:
    """Train until validation NDCG@10 (full ranking) has not risen for `patience` looks, or to the limit of epochs.

    model    a SequenceModel
    seed     of batches, negatives, dropout and the sample of validation users
    options  those of `Recipe`
    Ctrl-C ends training early and keeps the best state. Raises ValueError on a wrong option and on a loss that is not
    finite.
    """
    recipe = Recipe(**options)
    rng = seed_everything(seed)
    device = pick_device(recipe.device)
    start_tables(model, split, id_std=recipe.id_std, position_std=recipe.position_std)
    model.to(device)
    trainer = SequenceTrainer(model, split, recipe, rng)
    validation = Validation(split, VALID_USERS, seed)
    valid_batches = Batches(split, "valid", model.length, model.parts, device)
    best = BestState(model)
    training = run_epochs(
        type(model).__name__,
        recipe.stopping(),
        train_epoch=trainer.train_epoch,
        validate=lambda: validation.ndcg_of_vectors(*encode(model, valid_batches, validation.rows)),
        keep_best=best.keep,
        progress=progress,
    )
    best.restore()
    return Fit(model, training)


class SequenceTrainer:
    """Trains a sequence model epoch after epoch, without validation.

    model  a SequenceModel on its device
    rng    draws batches and negatives
    """

    def __init__(self, model: nn.Module, split: Split, recipe: Recipe, rng: np.random.Generator):
        self.model = model
        self.recipe = recipe
        self.rng = rng
        self.device = next(model.parameters()).device
        self.candidates = split.candidates
        self.batches = Batches(split, "train", model.length, model.parts, self.device)
        self.sampler = Negatives(split) if recipe.loss in ("bce", "bpr") else None
        self.optimiser = torch.optim.Adam(
            _parameter_groups(model),
            lr=recipe.lr,
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.schedule = Schedule(self.optimiser, recipe.warmup_steps, recipe.decay)
        self.epochs_done = 0
        self.steps_done = 0

    def train_epoch(self) -> tuple[float, int]:
        """One pass over all training rows; returns the mean loss of its steps and their number."""
        self.model.train()
        steps = []
        for rows in self.batches.epoch(self.recipe.batch_size, self.rng, self.recipe.pool):
            steps.extend(rows.split(_most_rows(self.batches, rows)))
        negatives = self._own_negatives(steps) if self.sampler else [None] * len(steps)
        total = 0.0
        for number, (rows, own_negatives) in enumerate(zip(steps, negatives, strict=True)):
            epochs_done = self.epochs_done + number / len(steps)
            self.schedule.set_rates(self.steps_done + number, epochs_done / self.recipe.epochs)
            total = total + self._step(rows, own_negatives)
        self.epochs_done += 1
        self.steps_done += len(steps)
        return float(total) / len(steps), len(steps)

    def _step(self, rows: Tensor, own_negatives: Tensor | None) -> Tensor:
        """One optimiser step on the given rows; returns its loss."""
        batch = self._weighted(self.batches.batch(rows), rows)
        table = self.model.item_table()
        states, model_loss = _training_step(self.model, batch, table)
        labels = batch.real.flatten().nonzero()[:, 0]
        states = states.flatten(0, 1)[labels]  # (labels, d)
        positives = batch.pos.flatten()[labels]
        label_loss = self._label_loss(states, table, positives, own_negatives)
        loss = batch.label_weight * label_loss + model_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        return loss.detach()

    def _weighted(self, batch: Batch, rows: Tensor) -> Batch:
        """The batch of the rows with the weights of its means over labels."""
        if self.recipe.label_weights == "batch":
            return batch
        chosen = rows.cpu().numpy()
        return replace(
            batch,
            label_weight=self._share_of_labels(self.batches.n_np, chosen),
            source_label_weight=self._share_of_labels(self.batches.source_labels, chosen),
        )

    def _share_of_labels(self, labels: np.ndarray, rows: np.ndarray) -> float:
        """The rows' labels over those of a batch of average rows; labels (all rows,). 0 where nobody has labels."""
        average = self.recipe.batch_size * labels.mean()
        return float(labels[rows].sum() / average) if average else 0.0

    def _label_loss(
        self, states: Tensor, table: Tensor, positives: Tensor, own_negatives: Tensor | None
    ) -> Tensor:
        """Mean loss of the labels, whose states are (labels, d)."""
        if self.recipe.loss == "bce":
            return binary_loss(states, table, positives, own_negatives)
        if self.recipe.loss == "bpr":
            return pairwise_loss(states, table, positives, own_negatives)
        first, last = self.candidates
        if self.recipe.loss == "softmax":
            return full_softmax_loss(states, table, positives, first, last, self.recipe.precision)
        shared = torch.from_numpy(self.rng.integers(first, last + 1, self.recipe.negatives))
        return softmax_loss(states, table, positives, shared.to(self.device))

    def _own_negatives(self, steps: list[Tensor]) -> tuple[Tensor, ...]:
        """(labels,) negatives of each step, one a label: one draw for the whole epoch, in the order of the labels."""
        rows = torch.cat(steps)
        users = self.batches.user[rows].cpu().numpy()
        label_counts = self.batches.n_np[rows.cpu()]
        drawn = self.sampler.draw(np.repeat(users, label_counts), self.rng)
        sizes = [int(self.batches.n_np[rows.cpu()].sum()) for rows in steps]
        return torch.from_numpy(drawn).to(self.device).split(sizes)


def _training_step(model: nn.Module, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor | float]:
    """States (B, T, d) and the model's own loss, 0 where it has none."""
    if hasattr(model, "training_step"):
        return model.training_step(batch, table)
    return model.states(batch, table), 0.0


def _parameter_groups(model: nn.Module) -> list:
    """The model's own groups with their learning rates, or all its parameters."""
    if hasattr(model, "learning_rates"):
        return model.learning_rates()
    return list(model.parameters())


class BestState:
    """A copy of a model's weights at its best look."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.weights: dict[str, Tensor] | None = None

    def keep(self) -> None:
        """Copy the weights of now."""
        self.weights = copy.deepcopy(self.model.state_dict())

    def restore(self) -> None:
        """Put the copied weights back, if there are any, and switch the model to evaluation."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)
        self.model.eval()


@torch.no_grad()
def encode(
    model: nn.Module, batches: Batches, rows: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """Last states and item vectors in evaluation mode.

    rows  (N,) rows of `batches`; None = all
    Returns queries (N, d) and items (n_items + 1, d), on the device of the batches.
    """
    model.eval()
    table = model.item_table()
    chosen = np.arange(len(batches)) if rows is None else rows
    by_length = np.argsort(batches.longest[chosen], kind="stable")
    queries = table.new_empty(len(chosen), table.shape[1])
    for part in _parts(by_length, batches.longest[chosen][by_length]):
        batch = batches.batch(torch.from_numpy(chosen[part]).to(batches.device))
        states = model.states(batch, table)
        last = states[torch.arange(len(part)), batch.n - 1]
        queries[torch.from_numpy(part).to(table.device)] = last
    return queries, table.detach()


def _most_rows(batches: Batches, rows: Tensor) -> int:
    """Rows of one step: all but where sequences are so long that their attention would take gigabytes."""
    longest = int(batches.longest[rows.cpu().numpy()].max())
    return max(1, ATTENTION_WEIGHTS // (2 * longest**2))


def _parts(order: np.ndarray, longest: np.ndarray) -> list[np.ndarray]:
    """`order` cut into parts of at most about ROWS rows and ATTENTION_WEIGHTS weights; `longest` (rows,) rises."""
    share = np.maximum(longest, 1) ** 2 / ATTENTION_WEIGHTS + 1 / ROWS  # of a full part, per row
    part = np.floor(np.cumsum(share))
    return np.split(order, np.flatnonzero(np.diff(part)) + 1)


def pick_device(device: str) -> torch.device:
    """The device of that name; "auto" is the GPU where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def seed_everything(seed: int) -> np.random.Generator:
    """Seed torch and return the NumPy generator for everything else."""
    torch.manual_seed(seed)
    return np.random.default_rng(seed)
