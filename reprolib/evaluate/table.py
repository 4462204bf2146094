"""From what scores to a RankTable: one row per held-out event, with the columns that subgroups need."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reprolib.data.split import Split, slices
from reprolib.evaluate.rank_table import check_ranks
from reprolib.evaluate.ranking import full_rank, rank_by_scores, sample_negatives, sampled_rank

# rank of each held-out item: (rows of the events, held-out codes, seen pointers, seen codes, first, last) -> ranks
Ranker = Callable[[np.ndarray, Tensor, Tensor, Tensor, int, int], Tensor]


def rank_table(
    queries: Tensor,
    items: Tensor,
    split: Split,
    *,
    system: str,
    seed: int = 0,
    stage: str = "test",
    negatives: int = 0,
) -> pd.DataFrame:
    """Rank every held-out event of the stage among the target domain's items that the user has not met before.

    queries    (events, d) in the order of `split.held_out(stage)`
    items      (n_items + 1, d); score = dot product
    negatives  rank among so many sampled items instead of all: one stored list, the same for all systems and seeds
    For a user's own model: stage.
    With target "all" an event competes with the items of its own domain. Returns a RankTable (`check_ranks`).
    """

    def rank(rows, goal, pointers, seen, first, last):
        query = queries[torch.from_numpy(rows).to(queries.device)]
        if not negatives:
            return full_rank(query, items, goal.to(items.device), pointers, seen, first, last)
        drawn = sample_negatives(goal, pointers, seen, first, last, negatives, seed=0)
        return sampled_rank(query, items, goal.to(items.device), drawn.to(items.device))

    return _table(rank, split, system, seed, stage, negatives)


def rank_table_by_scores(
    scores: Callable[[int, int], Tensor],
    split: Split,
    *,
    system: str,
    seed: int = 0,
    stage: str = "test",
) -> pd.DataFrame:
    """`rank_table` for a system whose score is no dot product.

    scores  (a, b) -> (b - a, n_items + 1) scores of the held-out events a..b of the stage; called for blocks in order
    For a user's own model: stage.
    """

    def rank(rows, goal, pointers, seen, first, last):
        if len(rows) == len(split.held_out(stage)[0]):
            chosen = scores
        else:  # events of one of several domains: their rows, one contiguous run after another

            def chosen(a: int, b: int) -> Tensor:
                return torch.cat([scores(row, row + 1) for row in rows[a:b].tolist()])

        return rank_by_scores(chosen, len(rows), goal, pointers, seen, first, last)

    return _table(rank, split, system, seed, stage, 0)


def _table(
    rank: Ranker, split: Split, system: str, seed: int, stage: str, negatives: int
) -> pd.DataFrame:
    users, where = split.held_out(stage)
    _, pointers, seen = split.seen(stage)
    target = split.item[where]
    ranks = np.empty(len(users))
    candidates = np.empty(len(users), np.int64)
    place = np.empty(len(users))
    counts = np.bincount(split.train_pairs()[1], minlength=split.n_items + 1)
    ranges = [split.candidates]
    if split.target == "all":
        ranges = list(split.ranges.values())
    for first, last in ranges:
        rows = np.flatnonzero((target >= first) & (target <= last))
        if not len(rows):
            continue
        goal = torch.from_numpy(target[rows])
        row, codes = map(torch.from_numpy, slices(pointers[rows], pointers[rows + 1], seen))
        own_pointers = torch.searchsorted(row, torch.arange(len(rows) + 1))
        ranks[rows] = rank(rows, goal, own_pointers, codes, first, last).cpu().numpy()
        if negatives:
            candidates[rows] = negatives + 1
        else:
            candidates[rows] = last - first + 1 - _distinct(own_pointers, codes, goal, first, last)
        by_popularity = np.argsort(
            np.argsort(-counts[first : last + 1], kind="stable"), kind="stable"
        )
        place[rows] = by_popularity[target[rows] - first] / (last - first + 1)
    return check_ranks(
        pd.DataFrame(
            {
                "system": system,
                "variant": "",
                "on": "",
                "dataset": split.name,
                "direction": split.direction,
                "seed": seed,
                "protocol": "leave-one-out" if split.cut is None else "temporal",
                "negatives": negatives,
                "user": users,
                "rank": ranks,
                "candidates": candidates,
                "item_count": counts[target],
                "item_place": place,
                "history": (split.train_end - split.ptr[:-1])[users],
            }
        )
    )


def _distinct(ptr: Tensor, codes: Tensor, target: Tensor, first: int, last: int) -> np.ndarray:
    """Per row: how many different candidates are left out (the held-out item never is)."""
    row = torch.repeat_interleave(torch.arange(len(target)), ptr.diff())
    counted = (codes >= first) & (codes <= last) & (codes != target[row])
    key = torch.unique(row[counted] * (last + 1) + codes[counted])
    return torch.bincount(key // (last + 1), minlength=len(target)).numpy()
