"""The first stage: a generator's 20 best unseen items per user, the same lists for every reranker."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reprolib.baselines.generators import GENERATORS
from reprolib.data.split import Split
from reprolib.evaluate.ranking import top_items

_KEPT: dict[tuple, object] = {}


def candidates(split: Split, stage: str, queries: Tensor, items: Tensor, k: int = 20) -> np.ndarray:
    """(events, k) item codes, best first: unseen items of the target domain, never padding.

    queries (events, d) in the order of `split.held_out(stage)`, items (n_items + 1, d). Raises ValueError where a user
    has fewer than k unseen items.
    """
    _, ptr, seen = split.seen(stage)
    first, last = split.candidates
    most = int(np.diff(ptr).max(initial=0))
    if last - first + 1 - most < k:
        raise ValueError(
            f"candidates: a user of {split.name} has met {most} of {last - first + 1} items, so that "
            f"fewer than {k} are left; use fewer candidates"
        )
    return top_items(
        queries, items, torch.from_numpy(ptr), torch.from_numpy(seen), k, first, last
    ).numpy()


def first_stage(generator: str, split: Split, seed: int, epochs: int, progress: bool = False):
    """The trained generator; its rerankers follow each other, so it is kept for them."""
    if generator not in GENERATORS:
        raise ValueError(f"generator {generator!r} is unknown; use one of {', '.join(GENERATORS)}")
    return kept(
        (generator, split.digest, seed, epochs),
        lambda: GENERATORS[generator](split, seed, progress, epochs=epochs),
    )


def kept(key: tuple, make: Callable):
    """make(), or what it gave for this key before: the latest eight things are kept in this process."""
    if key not in _KEPT:
        while len(_KEPT) >= 8:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[key] = make()
    return _KEPT[key]


@dataclass(frozen=True)
class Lists:
    """Candidate lists of a stage: candidates (events, k) in first-stage order, users (events,), and the rows whose
    held-out item stands in its list. Only these can change by reranking, so only these are scored."""

    candidates: np.ndarray
    users: np.ndarray
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


def lists(split: Split, stage: str, trained, k: int = 20) -> Lists:
    """The candidate lists of a trained generator for the held-out events of a stage."""
    users, where = split.held_out(stage)
    found = candidates(split, stage, *trained.vectors(stage), k)
    return Lists(found, users, np.flatnonzero((found == split.item[where][:, None]).any(1)))
