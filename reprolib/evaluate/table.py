"""From vectors to a RankTable: one row per held-out event, with the columns that subgroups need."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reprolib.data.split import Split, slices
from reprolib.evaluate.metrics import check_ranks
from reprolib.evaluate.ranking import full_rank, sample_negatives, sampled_rank


def rank_table(
    queries: Tensor,
    items: Tensor,
    split: Split,
    *,
    system: str,
    seed: int = 0,
    stage: str = "test",
    negatives: int | None = None,
) -> pd.DataFrame:
    """Rank every held-out event of the stage among the target domain's items that the user has not met before.

    queries    (events, d) in the order of `split.held_out(stage)`;  items (n_items + 1, d);  score = dot product
    negatives  rank among so many sampled items instead of all: one stored list, the same for all systems and seeds
    With target "all" an event competes with the items of its own domain. Returns a RankTable (`check_ranks`).
    """
    users, where = split.held_out(stage)
    _, pointers, seen = split.seen(stage)
    target = split.item[where]
    ranks, candidates, place = (
        np.empty(len(users)),
        np.empty(len(users), np.int64),
        np.empty(len(users)),
    )
    counts = np.bincount(split.train_pairs()[1], minlength=split.n_items + 1)
    ranges = list(split.ranges.values()) if split.target == "all" else [split.candidates]
    goal = torch.from_numpy(target)
    for first, last in ranges:
        rows = np.flatnonzero((target >= first) & (target <= last))
        if not len(rows):
            continue
        row, chosen = map(torch.from_numpy, slices(pointers[rows], pointers[rows + 1], seen))
        ptr = torch.searchsorted(row, torch.arange(len(rows) + 1))
        pick = torch.from_numpy(rows)
        query = queries[pick.to(queries.device)]
        if negatives:
            drawn = sample_negatives(goal[pick], ptr, chosen, first, last, negatives, seed=0)
            rank = sampled_rank(query, items, goal[pick].to(items.device), drawn.to(items.device))
            candidates[rows] = negatives + 1
        else:
            rank = full_rank(query, items, goal[pick].to(items.device), ptr, chosen, first, last)
            candidates[rows] = last - first + 1 - _distinct(ptr, chosen, goal[pick], first, last)
        ranks[rows] = rank.cpu().numpy()
        order = np.argsort(np.argsort(-counts[first : last + 1], kind="stable"), kind="stable")
        place[rows] = order[target[rows] - first] / (last - first + 1)
    return check_ranks(
        pd.DataFrame(
            {
                "system": system,
                "dataset": split.name,
                "direction": split.direction,
                "seed": seed,
                "protocol": f"sampled-{negatives}" if negatives else "full",
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
