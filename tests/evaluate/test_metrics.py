import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprolib.evaluate.metrics import expected_value, value
from reprolib.evaluate.rank_table import check_ranks
from reprolib.evaluate.summary import per_user, subgroups, summarise


def table(ranks, **columns):
    n = len(ranks)
    base = {
        "system": "a",
        "dataset": "d",
        "direction": "x",
        "seed": 0,
        "protocol": "leave-one-out",
        "negatives": 0,
        "variant": "",
        "on": "",
        "user": range(n),
        "rank": ranks,
        "candidates": 1000,
        "item_count": 9,
        "item_place": 0.5,
        "history": 9,
    }
    return pd.DataFrame(base | columns)


def test_values_by_hand():
    assert value([1, 10, 11, 10.5], "HR@10").tolist() == [1, 1, 0, 0]
    assert value([1, 3], "NDCG@10").tolist() == [1, 0.5]
    assert value([4, 20], "MRR").tolist() == [0.25, 0.05]
    assert value([4, 20], "MRR@10").tolist() == [0.25, 0]


def test_metrics_agree_with_ir_measures():
    import ir_measures
    from ir_measures import RR, R, Success, nDCG

    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 60, 200)
    qrels = [ir_measures.Qrel(str(u), "target", 1) for u in range(200)]
    run = [
        ir_measures.ScoredDoc(str(u), "target" if place == rank else f"d{place}", -place)
        for u, rank in enumerate(ranks)
        for place in range(1, 61)
    ]
    theirs = ir_measures.calc_aggregate(
        [Success @ 10, nDCG @ 10, RR @ 10, R @ 20, nDCG @ 5], qrels, run
    )
    for measure, ours in (
        (Success @ 10, "HR@10"),
        (nDCG @ 10, "NDCG@10"),
        (RR @ 10, "MRR@10"),
        (R @ 20, "Recall@20"),
        (nDCG @ 5, "NDCG@5"),
    ):
        assert value(ranks, ours).mean() == pytest.approx(theirs[measure], abs=1e-12)


@pytest.mark.parametrize("metric", ["HR@10", "NDCG@5", "MRR", "MRR@10"])
def test_the_closed_form_equals_a_sum_over_scipys_hypergeometric(metric):
    rank, candidates, m = np.array([1, 7, 40, 300]), np.array([300, 300, 120, 300]), 100
    by_hand = [
        sum(
            stats.hypergeom.pmf(x, c - 1, r - 1, m) * value([x + 1], metric)[0]
            for x in range(m + 1)
        )
        for r, c in zip(rank, candidates, strict=True)
    ]
    assert expected_value(rank, candidates, metric, m) == pytest.approx(by_hand, rel=1e-9)


def test_the_closed_form_equals_real_sampling():
    rng = np.random.default_rng(1)
    rank, negatives, m = 40, 499, 100
    draws = np.array(
        [(rng.choice(negatives, m, replace=False) < rank - 1).sum() + 1 for _ in range(4000)]
    )
    for metric in ("HR@10", "NDCG@10", "MRR"):
        sample = value(draws, metric)
        exact = expected_value([rank], [negatives + 1], metric, m)[0]
        assert abs(sample.mean() - exact) < 4 * sample.std() / math.sqrt(len(draws))


def test_sampling_every_negative_is_the_full_ranking():
    rank = np.array([1.0, 5, 10, 11, 60])
    for metric in ("HR@10", "NDCG@10", "MRR"):
        assert expected_value(rank, np.full(5, 61), metric, 60) == pytest.approx(
            value(rank, metric)
        )


def test_a_tie_is_worth_the_mean_of_its_neighbours():
    neighbours = expected_value([10, 11], [200, 200], "NDCG@10", 50).mean()
    assert expected_value([10.5], [200], "NDCG@10", 50)[0] == pytest.approx(neighbours)


def test_more_negatives_than_candidates_are_refused():
    with pytest.raises(ValueError, match="fewer than 100"):
        expected_value([1], [100], "HR@10", 100)


@pytest.mark.parametrize("metric", ["ndcg@10", "HR", "Precision@5", "NDCG@x"])
def test_an_unknown_metric_is_refused_with_an_example(metric):
    with pytest.raises(ValueError, match="for example NDCG@10"):
        value([1], metric)


def test_a_rank_table_with_an_impossible_rank_is_refused():
    for bad in (0, 1001, math.nan):
        with pytest.raises(ValueError, match="outside"):
            check_ranks(table([1, bad]))
    with pytest.raises(ValueError, match="history"):
        check_ranks(table([1]).drop(columns="history"))


def test_summary_of_one_seed_has_students_interval_over_users():
    row = summarise(table([1, 20, 1, 20]), ["HR@10"]).iloc[0]
    low, high = stats.t.interval(0.95, 3, loc=0.5, scale=stats.sem([1, 0, 1, 0]))
    assert row["HR@10"] == 0.5
    assert row["HR@10 ±"] == pytest.approx((high - low) / 2)
    assert (row["users"], row["seeds"]) == (4, 1)


def test_summary_over_seeds_covers_users_and_seeds():
    both = pd.concat([table([1, 1, 20, 20]), table([1, 1, 1, 20], seed=1)])
    row = summarise(both, ["HR@10"]).iloc[0]
    users, seeds = np.var([1, 1, 0.5, 0], ddof=1) / 4, np.var([0.5, 0.75], ddof=1) / 2
    freedom = (users + seeds) ** 2 / (users**2 / 3 + seeds**2 / 1)
    assert row["HR@10"] == 0.625
    assert row["HR@10 ±"] == pytest.approx(math.sqrt(users + seeds) * stats.t.ppf(0.975, freedom))


def test_a_system_without_chance_still_has_an_interval_over_users():
    twice = pd.concat([table([1, 20, 1, 20]), table([1, 20, 1, 20], seed=1)])
    assert summarise(twice, ["HR@10"])["HR@10 ±"][0] == pytest.approx(
        summarise(table([1, 20, 1, 20]), ["HR@10"])["HR@10 ±"][0], rel=0.01
    )


def test_expected_sampled_metrics_need_full_ranks():
    with pytest.raises(ValueError, match="full ranks only"):
        per_user(table([1], negatives=100), "HR@10", sampled=100)


def test_subgroups_by_their_limits():
    got = subgroups(table([1, 1], item_count=[4, 5], item_place=[0.2, 0.3], history=[5, 6]))
    assert got["item_group"].tolist() == ["cold", "warm"]
    assert got["popularity"].tolist() == ["head", "tail"]
    assert got["history_group"].tolist() == ["short", "long"]
