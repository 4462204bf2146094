"""How a fitted system ranks held-out items and lists the best ones, whatever its score is made of."""

import pandas as pd
import torch
from torch import Tensor

from reprolib.data.split import Split
from reprolib.evaluate.rank_lists import reranked_table
from reprolib.evaluate.ranking import top_by_scores, top_items
from reprolib.evaluate.table import rank_table, rank_table_by_scores
from reprolib.training.fitted import Fitted


def rank_fitted(
    fitted: Fitted, split: Split, *, system: str, seed: int = 0, stage: str = "test"
) -> pd.DataFrame:
    """RankTable of the stage's held-out events: by dot product, by a scoring function, or by reordered lists.

    Raises ValueError on scores that are NaN or infinite.
    """
    if fitted.scores is not None:
        table = rank_table_by_scores(
            fitted.scores(stage), split, system=system, seed=seed, stage=stage
        )
    else:
        table = rank_table(*fitted.vectors(stage), split, system=system, seed=seed, stage=stage)
    if fitted.reranked is not None and stage == "test":
        table = reranked_table(table, split, *fitted.reranked(), stage=stage)
    return table


def top_lists(fitted: Fitted, split: Split, stage: str, k: int) -> Tensor:
    """(events, k) codes of the best unseen items of the stage's users, best first; of a reranker: its first stage's."""
    users, pointers, seen = split.seen(stage)
    given = [torch.from_numpy(pointers), torch.from_numpy(seen), k, *split.candidates]
    if fitted.scores is not None:
        return top_by_scores(fitted.scores(stage), len(users), *given)
    return top_items(*fitted.vectors(stage), *given)
