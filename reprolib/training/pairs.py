"""The training loop of models that score pairs: (user, positive item, n negative items), whatever the score is."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.training.batches import Negatives
from reprolib.training.built_system import BuiltSystem
from reprolib.training.fitted import Fitted, fitted_after
from reprolib.training.loop import VALID_USERS, BestState, pick_device, seed_everything
from reprolib.training.losses import (
    binary_loss_of_scores,
    pairwise_loss_of_scores,
    softmax_loss,
    softmax_loss_of_scores,
)
from reprolib.training.recipe import PairRecipe
from reprolib.training.stopping import run_epochs
from reprolib.training.validation import Validation

DRAWN = 2**22  # negatives that are drawn at a time
SCORED = 2**18  # pairs that ranking scores at a time


class PairModel(Protocol):
    """What the loop needs of an `nn.Module`.

    A model whose score is a dot product also has `vectors() -> (users (n_users, d), items (n_items + 1, d))`: it ranks
    by them, which is faster. A model with a loss of its own (a penalty on the batch's rows, for example) has
    `own_loss(users (B,), items (B, 1 + n)) -> Tensor`; with "ssm" its items are the positives alone, (B, 1). A model
    that has something to say for the run's record has `report() -> dict`.
    """

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """(B, k) scores of users (B,) with items (B, k); higher is better."""
        ...


def pair_system(build: Callable[..., nn.Module]) -> BuiltSystem:
    """Decorator: the system of a function `(dataset, *, own options) -> PairModel`."""
    return BuiltSystem(build, train_pairs, PairRecipe)


def train_pairs(
    model: nn.Module, dataset: Dataset, seed: int, progress: bool, **options: object
) -> Fitted:
    """Train on the target's events until validation NDCG@10 (full ranking) has not risen for `patience` looks.

    model    a PairModel
    seed     of the order of events, negatives and the model's own chance
    options  those of `PairRecipe`
    Ctrl-C ends training early and keeps the best state. Raises ValueError on a wrong option and on a loss that is not
    finite.
    """
    recipe = PairRecipe(**options)
    split = dataset.split
    rng = seed_everything(seed)
    model.to(pick_device(recipe.device))
    best = BestState(model)
    training = run_epochs(
        type(model).__name__,
        recipe.stopping(),
        train_epoch=PairTrainer(model, split, recipe, rng).train_epoch,
        validate=validation_of(model, split, seed),
        keep_best=best.keep,
        progress=progress,
    )
    best.restore()
    by_vectors = hasattr(model, "vectors")
    return fitted_after(
        training,
        vectors=stage_vectors(model, split) if by_vectors else None,
        scores=None if by_vectors else stage_scores(model, split),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        report=model.report() if hasattr(model, "report") else {},
    )


def stage_vectors(model: nn.Module, split: Split) -> Callable[[str], tuple[Tensor, Tensor]]:
    """A function: stage -> queries (events, d) and items (n_items + 1, d), of the model as it is now."""
    users, items = vectors_of(model)
    return lambda stage: (users[split.held_out(stage)[0]], items)


def stage_scores(model: nn.Module, split: Split) -> Callable[[str], Callable[[int, int], Tensor]]:
    """A function: stage -> scores in blocks, see `score_blocks`."""
    return lambda stage: score_blocks(model, split.held_out(stage)[0], split.n_items)


class PairTrainer:
    """Trains a pair model epoch after epoch, without validation.

    model  a PairModel on its device
    rng    draws the order of events and the negatives
    """

    def __init__(
        self, model: nn.Module, split: Split, recipe: PairRecipe, rng: np.random.Generator
    ):
        self.model = model
        self.recipe = recipe
        self.rng = rng
        self.device = next(model.parameters()).device
        self.users, self.items = split.train_pairs()
        self.candidates = split.candidates
        self.sampler = None if recipe.loss == "ssm" else Negatives(split)
        self.optimiser = torch.optim.Adam(
            model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
        )

    def train_epoch(self) -> tuple[float, int]:
        """One pass over all training events in random order; the mean loss of its steps and their number."""
        self.model.train()
        losses = []
        for users, items in self._batches():
            loss = self._loss(users, items)
            total = loss
            if hasattr(self.model, "own_loss"):
                total = loss + self.model.own_loss(users, items)
            self.optimiser.zero_grad(set_to_none=True)
            total.backward()
            self.optimiser.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses)), len(losses)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Users (B,) and items (B, 1 + n), the positive first; of "ssm" the positive alone, (B, 1)."""
        batch_size = self.recipe.batch_size
        negatives = self.recipe.negatives
        order = self.rng.permutation(len(self.users))
        steps_at_a_time = max(1, DRAWN // (batch_size * negatives))
        size = batch_size * steps_at_a_time
        for start in range(0, len(order), size):
            events = order[start : start + size]
            users = self.users[events]
            items = self.items[events][:, None]
            if self.sampler:
                drawn = self.sampler.draw(np.repeat(users, negatives), self.rng)
                items = np.concatenate([items, drawn.reshape(-1, negatives)], 1)
            all_users = torch.from_numpy(users).to(self.device)
            all_items = torch.from_numpy(items).to(self.device)
            yield from zip(all_users.split(batch_size), all_items.split(batch_size), strict=True)

    def _loss(self, users: Tensor, items: Tensor) -> Tensor:
        """Mean loss of the events (users (B,), items as `_batches` gives them)."""
        if self.recipe.loss == "ssm":
            return self._shared_softmax(users, items[:, 0])
        scores = self.model.score(users, items)
        if self.recipe.loss == "bpr":
            return pairwise_loss_of_scores(scores)
        if self.recipe.loss == "bce":
            return binary_loss_of_scores(scores)
        return softmax_loss_of_scores(scores / self.recipe.tau)

    def _shared_softmax(self, users: Tensor, positives: Tensor) -> Tensor:
        """Softmax over each positive and negatives that the whole batch shares; accidental hits are masked out."""
        first, last = self.candidates
        drawn = self.rng.integers(first, last + 1, self.recipe.negatives)
        shared = torch.from_numpy(drawn).to(self.device)
        if hasattr(self.model, "vectors"):
            user_vectors, item_vectors = self.model.vectors()
            return softmax_loss(
                user_vectors[users] / self.recipe.tau, item_vectors, positives, shared
            )
        items = torch.cat([positives[:, None], shared.expand(len(users), -1)], 1)
        scores = self.model.score(users, items) / self.recipe.tau
        is_hit = items == positives[:, None]
        is_hit[:, 0] = False
        return softmax_loss_of_scores(scores.masked_fill(is_hit, -torch.inf))


def validation_of(model: nn.Module, split: Split, seed: int) -> Callable[[], float]:
    """A function that gives the model's NDCG@10 on the validation events.

    A model without vectors is validated on at most VALID_USERS users drawn with the seed.
    """
    if hasattr(model, "vectors"):
        every_user = Validation(split)

        def by_vectors() -> float:
            users, items = vectors_of(model)
            return every_user.ndcg_of_vectors(users[every_user.users], items)

        return by_vectors
    some_users = Validation(split, VALID_USERS, seed)

    def by_scores() -> float:
        scores = score_blocks(model, some_users.users, split.n_items)
        return some_users.ndcg_of_scores(scores, torch.device("cpu"))

    return by_scores


@torch.no_grad()
def vectors_of(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Users (n_users, d) and items (n_items + 1, d) in evaluation mode, on the CPU."""
    model.eval()
    users, items = model.vectors()
    return users.cpu(), items.cpu()


def score_blocks(model: nn.Module, users: np.ndarray, n_items: int) -> Callable[[int, int], Tensor]:
    """A function (a, b) -> (b - a, n_items + 1) scores of users[a:b] with all items, on the CPU.

    users (N,)  user codes. Column 0 (padding) is scored, too; it is never a candidate.
    """
    device = next(model.parameters()).device
    all_users = torch.from_numpy(users).to(device)
    all_items = torch.arange(n_items + 1, device=device)

    @torch.no_grad()
    def scores(a: int, b: int) -> Tensor:
        model.eval()
        block_users = all_users[a:b]
        columns = []
        for items in all_items.split(max(1, SCORED // max(1, b - a))):
            columns.append(model.score(block_users, items.expand(b - a, -1)))
        return torch.cat(columns, 1).cpu()

    return scores
