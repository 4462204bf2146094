"""Systems that are not trained: what they count, and that they count training events only."""

import numpy as np
import pytest
from toy import corpus, groups, planted

from reprolib.baselines.item_knn import item_cosines, recent_items
from reprolib.baselines.markov import follower_shares
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.runs import train
from reprolib.runs.systems import FLOORS
from reprolib.training.ranks import rank_fitted

ROWS = [
    (user, item, "d", time)
    for user, items in (("u", "abcab"), ("v", "abdcb"))
    for time, item in enumerate(items)
]


def ndcg(name, split):
    fitted = train(name, Dataset(split), progress=False)
    assert fitted.ended == ""
    return value(rank_fitted(fitted, split, system=name)["rank"], "NDCG@10").mean()


def test_followers_are_counted_in_training_events_alone():
    split = leave_one_out(corpus(ROWS), "d")
    code = {item: number for number, item in enumerate(split.items, start=1)}
    shares = follower_shares(split).toarray()
    # training: a b c of u, a b d of v
    assert shares[code["a"], code["b"]] == 1
    assert shares[code["b"], code["c"]] == shares[code["b"], code["d"]] == 0.5
    assert shares[code["c"]].sum() == shares[code["d"]].sum() == 0  # what follows them is held out


def test_cosines_by_hand():
    rows = [
        ("u", "a", 0),
        ("u", "b", 1),
        ("v", "a", 0),
        ("v", "c", 1),
        ("w", "a", 0),
        ("w", "b", 1),
    ]
    split = leave_one_out(corpus([(u, i, "d", t) for u, i, t in rows]), "d")
    code = {item: number for number, item in enumerate(split.items, start=1)}
    cosines = item_cosines(split).toarray()
    assert cosines[code["a"], code["b"]] == pytest.approx(2 / np.sqrt(3 * 2))
    assert cosines[code["b"], code["c"]] == 0
    assert cosines.diagonal().sum() == 0


def test_the_latest_item_weighs_most_and_the_held_out_one_nothing():
    split = leave_one_out(corpus(ROWS), "d")
    code = {item: number for number, item in enumerate(split.items, start=1)}
    weights = recent_items(split, "valid", 50).toarray()
    assert weights[0, code["c"]] == 1
    assert weights[0, code["b"]] == 0.5
    assert weights[0, code["a"]] == pytest.approx(1 / 3)
    assert weights.sum(1) == pytest.approx([11 / 6, 11 / 6])
    assert recent_items(split, "test", 1).toarray().sum(1).tolist() == [1, 1]


def test_each_finds_its_own_pattern_and_popularity_none():
    ring = leave_one_out(planted(), "ring")
    assert ndcg("Markov", ring) > 0.7 > 3 * ndcg("Popularity", ring)
    taste = leave_one_out(groups(), "groups")
    assert ndcg("ItemKNN", taste) > 1.3 * ndcg("Popularity", taste)


@pytest.mark.parametrize("name", FLOORS)
def test_later_events_of_others_change_no_score(name):
    split = leave_one_out(planted(n_users=40), "ring")
    rows = [(f"u{u}", f"i{i}", "ring", t) for u, i, t in _events(split)]
    changed = [(u, "i1" if t >= 10_000 and u != "u0" else i, d, t) for u, i, d, t in rows]
    # the last two events of every other user become another item; user u0's scores stay
    first, other = (leave_one_out(corpus(r), "ring") for r in (rows, changed))
    assert _scores(name, first) == pytest.approx(_scores(name, other))


def _events(split):
    for user in range(split.n_users):
        for position in range(split.ptr[user], split.ptr[user + 1]):
            late = position >= split.train_end[user]
            yield user, split.item[position], (10_000 if late else 0) + position


def _scores(name, split):
    """Scores of user u0's test event by item id."""
    fitted = train(name, Dataset(split), progress=False)
    row = int(np.flatnonzero(split.users[split.held_out("test")[0]] == "u0")[0])
    if fitted.scores:
        values = fitted.scores("test")(row, row + 1)[0]
    else:
        queries, items = fitted.vectors("test")
        values = items @ queries[row]
    ids = [int(item[1:]) for item in split.items]
    return [float(v) for _, v in sorted(zip(ids, values[1:].tolist(), strict=True))]
