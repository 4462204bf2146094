"""The training loop of sequence models: losses, batches, validation, seeds. Models know nothing of it."""

import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.training.batches import Batch, Batches, Negatives
from reprolib.training.full_softmax import PRECISIONS, full_softmax_loss
from reprolib.training.losses import binary_loss, pairwise_loss, softmax_loss
from reprolib.training.schedule import Schedule
from reprolib.training.start import start_tables
from reprolib.training.stopping import Stopping, Training, check_whole, run_epochs
from reprolib.training.validation import Validation

LOSSES = ("bce", "bpr", "ssm", "softmax")
WEIGHTS = ("batch", "label")
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
    model: nn.Module,
    split: Split,
    *,
    loss: str = "bce",
    epochs: int = 200,
    patience: int = 20,
    every: int = 1,
    minimum_steps: int = 0,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    batch_size: int = 256,
    negatives: int = 512,
    precision: str = "bf16",
    weights: str = "batch",
    pool: int = 0,
    id_std: float = 0.0,
    position_std: float = 0.0,
    warmup_steps: int = 0,
    decay: str = "none",
    clip: float = 5.0,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> Fit:
    """Train until validation NDCG@10 (full ranking) has not risen for `patience` looks.

    model          a SequenceModel
    loss           "bce" (as SASRec) and "bpr" (as SemaCDR): one uniform negative per position; "ssm": softmax over
                   the positive and `negatives` items drawn uniformly and shared by the batch; "softmax": over all
                   items of the target
    precision      of "softmax": "bf16" or "fp32", see `full_softmax_loss`
    weights        "batch": each step is the mean over its labels, so that labels of short histories, which lie in
                   batches of few labels, weigh more; "label": every label weighs alike, whatever its batch
    pool           batches that are shuffled together before they are sorted by length: 1 = rows in random order,
                   0 = all rows sorted (see `Batches.epoch`)
    id_std         standard deviation of item and user tables at the start; 0 = as the model has them (Xavier, which
                   shrinks as the catalogue grows)
    position_std   the same for tables of positions
    warmup_steps   steps in which the learning rate rises linearly from 0
    decay          "none", or "linear" or "cosine": the learning rate falls to 0 at the end of the limit of epochs
    epochs         upper limit
    patience       looks (validations, not epochs) without a better one
    every          epochs between two looks
    minimum_steps  optimiser steps before which training never stops
    batch_size     rows (users) of a step
    clip           largest norm of the gradient
    device         "auto" takes a GPU where there is one
    Ctrl-C ends training early and keeps the best state. Raises ValueError on an unknown loss, on a number out of
    range and on a loss that is not finite.
    """
    if loss not in LOSSES:
        raise ValueError(f"fit: loss {loss!r} is unknown; use one of {', '.join(LOSSES)}")
    if precision not in PRECISIONS:
        raise ValueError(
            f"fit: precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}"
        )
    if weights not in WEIGHTS:
        raise ValueError(f"fit: weights {weights!r} is unknown; use one of {', '.join(WEIGHTS)}")
    check_whole(batch_size=batch_size, negatives=negatives)
    check_whole(least=0, pool=pool)
    stopping = Stopping(epochs=epochs, every=every, patience=patience, minimum_steps=minimum_steps)
    rng = seed_everything(seed)
    place = pick_device(device)
    start_tables(model, split, id_std=id_std, position_std=position_std)
    model.to(place)
    trainer = SequenceTrainer(
        model,
        split,
        loss=loss,
        lr=lr,
        weight_decay=weight_decay,
        batch_size=batch_size,
        negatives=negatives,
        precision=precision,
        weights=weights,
        pool=pool,
        warmup_steps=warmup_steps,
        decay=decay,
        epochs=epochs,
        clip=clip,
        rng=rng,
    )
    validation = Validation(split, VALID_USERS, seed)
    valid_batches = Batches(split, "valid", model.length, model.parts, place)
    best = BestState(model)
    training = run_epochs(
        type(model).__name__,
        stopping,
        train_epoch=trainer.train_epoch,
        validate=lambda: validation.ndcg_of_vectors(*encode(model, valid_batches, validation.rows)),
        keep_best=best.keep,
        progress=progress,
    )
    best.restore()
    return Fit(model, training)


class SequenceTrainer:
    """Trains a sequence model epoch after epoch; arguments as for `fit`, `rng` draws batches and negatives."""

    def __init__(
        self,
        model: nn.Module,
        split: Split,
        *,
        loss: str,
        lr: float,
        weight_decay: float,
        batch_size: int,
        negatives: int,
        clip: float,
        rng: np.random.Generator,
        precision: str = "bf16",
        weights: str = "batch",
        pool: int = 0,
        warmup_steps: int = 0,
        decay: str = "none",
        epochs: int = 1,
    ):
        self.model = model
        self.loss = loss
        self.batch_size = batch_size
        self.negatives = negatives
        self.clip = clip
        self.rng = rng
        self.candidates = split.candidates
        self.device = next(model.parameters()).device
        self.batches = Batches(split, "train", model.length, model.parts, self.device)
        self.precision = precision
        self.weights = weights
        self.pool = pool
        self.sampler = Negatives(split) if loss in ("bce", "bpr") else None
        self.labels_of_a_batch = batch_size * self.batches.n_np.mean()
        self.optimiser = torch.optim.Adam(
            _parameter_groups(model),
            lr=lr,
            betas=(0.9, 0.98),
            weight_decay=weight_decay,
            fused=True,
        )
        self.schedule = Schedule(self.optimiser, warmup_steps, decay)
        self.epochs = epochs
        self.epochs_done = 0
        self.steps_done = 0

    def train_epoch(self) -> tuple[float, int]:
        """One pass over all training rows; returns the mean loss of its steps and their number."""
        self.model.train()
        steps = []
        for rows in self.batches.epoch(self.batch_size, self.rng, self.pool):
            steps.extend(rows.split(_most_rows(self.batches, rows)))
        negatives = self._own_negatives(steps) if self.sampler else [None] * len(steps)
        total = 0.0
        for number, (rows, own_negatives) in enumerate(zip(steps, negatives, strict=True)):
            epochs_done = self.epochs_done + number / len(steps)
            self.schedule.set_rates(self.steps_done + number, epochs_done / self.epochs)
            total = total + self._step(rows, own_negatives)
        self.epochs_done += 1
        self.steps_done += len(steps)
        return float(total) / len(steps), len(steps)

    def _step(self, rows: Tensor, own_negatives: Tensor | None) -> Tensor:
        """One optimiser step on the given rows; returns its loss."""
        batch = self.batches.batch(rows)
        table = self.model.item_table()
        states, model_loss = _training_step(self.model, batch, table)
        labels = batch.real.flatten().nonzero()[:, 0]
        states = states.flatten(0, 1)[labels]  # (labels, d)
        positives = batch.pos.flatten()[labels]
        label_loss = self._label_loss(states, table, positives, own_negatives)
        if self.weights == "label":
            label_loss = label_loss * (len(labels) / self.labels_of_a_batch)
        loss = label_loss + model_loss
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimiser.step()
        return loss.detach()

    def _label_loss(
        self, states: Tensor, table: Tensor, positives: Tensor, own_negatives: Tensor | None
    ) -> Tensor:
        """Mean loss of the labels, whose states are (labels, d)."""
        if self.loss == "bce":
            return binary_loss(states, table, positives, own_negatives)
        if self.loss == "bpr":
            return pairwise_loss(states, table, positives, own_negatives)
        first, last = self.candidates
        if self.loss == "softmax":
            return full_softmax_loss(states, table, positives, first, last, self.precision)
        shared = torch.from_numpy(self.rng.integers(first, last + 1, self.negatives))
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
