"""One lopsided pair of domains end to end: whoever swaps source and target somewhere is seen."""

import numpy as np
import pytest
from toy import corpus

from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out, parse_direction
from reprolib.papers.semacdr.analysis import user_figure, user_labels
from reprolib.papers.semacdr.semantics import Semantics
from reprolib.runs import grid as engine
from reprolib.runs.grid import run_grid, runs

SMALL, LARGE = 12, 40  # items of the two domains


def lopsided():
    """Every user has 4 events with small items and 7 with large ones, in turns."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(50):
        rows += [
            (f"u{user}", f"s{i}", "small", 100 * t)
            for t, i in enumerate(rng.permutation(SMALL)[:4])
        ]
        rows += [
            (f"u{user}", f"l{i}", "large", 100 * t + 50)
            for t, i in enumerate(rng.permutation(LARGE)[:7])
        ]
    return corpus(rows, name="lopsided")


def load(_, direction, *__):
    source, target = parse_direction(direction)
    return Dataset(leave_one_out(lopsided(), target, source), lopsided())


@pytest.mark.parametrize(
    ("direction", "items", "history"), [("large->small", SMALL, 2), ("small->large", LARGE, 5)]
)
def test_the_second_domain_of_a_direction_is_predicted(
    direction, items, history, tmp_path, monkeypatch
):
    monkeypatch.setattr(engine, "load_dataset", load)
    cells = runs(["Popularity", "SASRec"], "lopsided", direction, epochs=1, dim=8)
    ranks = run_grid(cells, store=tmp_path, progress=False).ranks
    assert set(ranks["direction"]) == {direction}
    # candidates: the target's items without those that the user has met before the test event
    assert ranks["candidates"].unique().tolist() == [items - history - 1]
    assert ranks["history"].unique().tolist() == [history]


def test_a_label_is_counted_in_the_domain_that_it_stands_in():
    split = load("", "small->large").split
    first, last = split.candidates
    labels = np.zeros((split.n_items + 1, 1, 2), bool)
    labels[1:, 0, 0] = True
    labels[first : last + 1, 0] = [False, True]
    semantics = Semantics(
        {"side": ["of small", "of large"]}, labels, [], [], np.zeros((1, 1)), "toy", 0
    )
    source, target = user_labels(split, semantics)
    assert (source[:, 0] > 0).all()
    assert (source[:, 1] == 0).all()
    assert (target[:, 0] == 0).all()
    assert (target[:, 1] == 5).all()
    drawn = user_figure(split, semantics, user=0).set_index(["domain", "label"])["share"]
    assert drawn["small", "side: of small"] == 1
    assert drawn["large", "side: of large"] == 1


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [("a->b", "a", "b"), ("b", None, "b"), ("a+c->b", "a+c", "b"), ("all", None, None)],
)
def test_a_direction_is_read_in_one_way(text, source, target):
    assert parse_direction(text) == (source, target)


@pytest.mark.parametrize("text", ["a→b", "->b", "a->", "a->b->c", "a -> b", "", "a+->b"])
def test_what_is_no_direction_is_one_sentence(text):
    if text == "a→b":
        assert parse_direction(text) == (
            None,
            "a→b",
        )  # one domain of that name, which no data set has
        return
    with pytest.raises(ValueError, match="is no direction"):
        parse_direction(text)
