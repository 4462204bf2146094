"""The first stage: a generator's 20 best unseen items per user, the same lists for every reranker."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from reprolib.baselines.bpr_mf import bpr_mf
from reprolib.baselines.lightgcn import lightgcn
from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.training.fitted import Fitted
from reprolib.training.ranks import top_lists

GENERATORS = {"BPR-MF": bpr_mf, "LightGCN": lightgcn}  # those of PERSONA4REC's Table 4
KEPT = 8  # models that stay in memory
_KEPT: dict[tuple, Any] = {}
T = TypeVar("T")


def first_stage(generator: str, dataset: Dataset, seed: int, epochs: int) -> Fitted:
    """The trained generator; its rerankers follow each other, so it is kept for them.

    generator  one of GENERATORS;  epochs: the limit of its training

    Raises ValueError on an unknown generator.
    """
    if generator not in GENERATORS:
        raise ValueError(f"generator {generator!r} is unknown; use one of {', '.join(GENERATORS)}")
    key = (generator, dataset.split.digest, seed, epochs)
    return kept(key, lambda: GENERATORS[generator](dataset, seed, False, epochs=epochs))


def kept(key: tuple, make: Callable[[], T]) -> T:
    """make(), or what it gave for this key before: the latest KEPT things are kept in this process."""
    if key not in _KEPT:
        while len(_KEPT) >= KEPT:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = make()
    return _KEPT[key]


@dataclass(frozen=True)
class Lists:
    """Candidate lists of a stage. Only rows whose held-out item stands in its list can change by reranking.

    candidates (events, k)  items in first-stage order;  scores (events, k)  the first stage's own
    users (events,), goals (events,)  user and held-out item of each event
    rows       the events whose held-out item is in its list: only these are scored
    """

    candidates: np.ndarray
    scores: np.ndarray
    users: np.ndarray
    goals: np.ndarray
    rows: np.ndarray

    def rerank(self, score: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """(events, k): `score(users (n,), candidates (n, k))` in the rows that matter, first-stage order elsewhere."""
        scores = np.tile(
            -np.arange(self.candidates.shape[1], dtype=np.float32), (len(self.candidates), 1)
        )
        if len(self.rows):
            scores[self.rows] = score(self.users[self.rows], self.candidates[self.rows])
        if np.isnan(scores).any():
            raise ValueError(
                "rerank: a reranker gave NaN; with NaN every held-out item would rank first"
            )
        return scores


def lists(split: Split, stage: str, generator: Fitted, k: int = 20) -> Lists:
    """The generator's k best unseen items for each held-out event of a stage.

    Raises ValueError where a user has fewer than k unseen items.
    """
    users, where = split.held_out(stage)
    first, last = split.candidates
    most = int(np.diff(split.seen(stage)[1]).max(initial=0))
    if last - first + 1 - most < k:
        raise ValueError(
            f"candidates: a user of {split.name} has met {most} of {last - first + 1} items, so that "
            f"fewer than {k} are left; use fewer candidates"
        )
    best = top_lists(generator, split, stage, k)
    queries, items = generator.vectors(stage)
    scores = (queries[:, None] * items[best]).sum(-1).numpy()
    goals = split.item[where]
    holds_target = (best.numpy() == goals[:, None]).any(1)
    return Lists(best.numpy(), scores, users, goals, np.flatnonzero(holds_target))
