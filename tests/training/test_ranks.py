"""Whatever a score is made of, it ranks, lists and reorders in the same way."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import echo

from reprolib.data.split import leave_one_out
from reprolib.training.fitted import Fitted
from reprolib.training.ranks import rank_fitted, top_lists

SPLIT = leave_one_out(echo(n_users=90), "target", "source")


def vectors(stage):
    torch.manual_seed(0)
    events = len(SPLIT.held_out(stage)[0])
    return torch.randn(events, 8), torch.randn(SPLIT.n_items + 1, 8)


def by_product():
    return Fitted(vectors, parameters=0)


def by_function():
    def scores(stage):
        queries, items = vectors(stage)
        return lambda a, b: queries[a:b] @ items.T

    return Fitted(None, parameters=0, scores=scores)


@pytest.mark.parametrize("stage", ["valid", "test"])
def test_a_scoring_function_ranks_as_the_product_that_it_computes(stage):
    one, two = (
        rank_fitted(fitted, SPLIT, system="x", stage=stage)
        for fitted in (by_product(), by_function())
    )
    pd.testing.assert_frame_equal(one, two)
    assert len(one) == 90


def test_top_lists_agree_and_hold_no_seen_item():
    one, two = (top_lists(fitted, SPLIT, "test", 5) for fitted in (by_product(), by_function()))
    assert torch.equal(one, two)
    _, pointers, seen = SPLIT.seen("test")
    first, last = SPLIT.candidates
    for row, items in enumerate(one.tolist()):
        assert not set(items) & set(seen[pointers[row] : pointers[row + 1]].tolist())
        assert all(first <= item <= last for item in items)


def test_the_rank_of_the_held_out_item_is_its_place_in_the_list():
    fitted = by_function()
    ranks = rank_fitted(fitted, SPLIT, system="x")["rank"].to_numpy()
    lists = top_lists(fitted, SPLIT, "test", 10).numpy()
    target = SPLIT.item[SPLIT.held_out("test")[1]]
    for row in np.flatnonzero(ranks <= 10):
        assert lists[row, int(ranks[row]) - 1] == target[row]


def test_a_score_that_is_not_a_number_is_refused():
    def scores(stage):
        return lambda a, b: torch.full((b - a, SPLIT.n_items + 1), float("nan"))

    with pytest.raises(ValueError, match="NaN"):
        rank_fitted(Fitted(None, parameters=0, scores=scores), SPLIT, system="x")


def test_a_reranker_of_any_scorer_reorders_its_lists():
    first = by_function()
    lists = top_lists(first, SPLIT, "test", 10).numpy()
    upside_down = np.tile(np.arange(10, dtype=np.float32), (len(lists), 1))
    fitted = Fitted(None, parameters=0, scores=first.scores, reranked=lambda: (lists, upside_down))
    before = rank_fitted(first, SPLIT, system="x")["rank"].to_numpy()
    after = rank_fitted(fitted, SPLIT, system="x")["rank"].to_numpy()
    inside = before <= 10
    assert inside.any()
    assert (after[inside] == 11 - before[inside]).all()
    assert (after[~inside] == before[~inside]).all()
