"""Ranks after a reranker: it permutes a user's first candidates, every other item keeps its first-stage rank."""

import numpy as np
import pandas as pd

from reprolib.data.split import Split
from reprolib.evaluate.rank_table import check_ranks


def reranked_table(
    table: pd.DataFrame,
    split: Split,
    candidates: np.ndarray,
    scores: np.ndarray,
    stage: str = "test",
) -> pd.DataFrame:
    """A first stage's RankTable with the ranks of the reranked lists.

    table       rows in the order of `split.held_out(stage)`
    candidates  (events, k) item codes in first-stage order;  scores (events, k), higher is better, -inf is the bottom
    Equal scores keep the first-stage order. A held-out item outside its list stays behind it, so HR@k is the
    generator's. Raises ValueError on NaN, on a repeated candidate, and where shapes differ.
    """
    goal = split.item[split.held_out(stage)[1]]
    if candidates.shape != scores.shape or len(candidates) != len(table) or np.isnan(scores).any():
        raise ValueError(
            f"reranked_table: {len(table)} events, candidates {candidates.shape}, scores {scores.shape}, "
            f"{int(np.isnan(scores).sum())} of them NaN; give one finite score per candidate and event"
        )
    if (np.diff(np.sort(candidates, 1), axis=1) == 0).any() or (candidates <= 0).any():
        raise ValueError("reranked_table: a list holds an item twice, or padding")
    order = np.argsort(-scores, axis=1, kind="stable")
    hit = np.take_along_axis(candidates, order, 1) == goal[:, None]
    outside = np.maximum(table["rank"].to_numpy(), candidates.shape[1] + 1)
    return check_ranks(table.assign(rank=np.where(hit.any(1), hit.argmax(1) + 1, outside)))
