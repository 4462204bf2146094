import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprolib.evaluate.significance import (
    against_each,
    best_rivals,
    compare,
    each_against,
    gain_difference,
    holm,
    leak_gain,
    order_agreement,
    user_values,
)


def ranks(system, values, direction="a->b", seed=0):
    n = len(values)
    return pd.DataFrame(
        {
            "system": system,
            "dataset": "toy",
            "direction": direction,
            "seed": seed,
            "protocol": "leave-one-out",
            "negatives": 0,
            "variant": "",
            "on": "",
            "user": range(n),
            "rank": np.asarray(values, float),
            "candidates": 1000,
            "item_count": 9,
            "item_place": 0.5,
            "history": 5,
        }
    )


def pair(n=300, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.random(n)
    return pd.DataFrame(
        {"A": a, "B": np.where(rng.random(n) < 0.3, a, a - rng.normal(0.02, 0.2, n))}
    )


def test_user_values_average_the_metric_over_seeds_not_the_ranks():
    table = pd.concat(
        [ranks("A", [1, 4], seed=0), ranks("A", [3, 20], seed=1), ranks("B", [2], seed=0)]
    )
    values = user_values(table, "MRR@10")
    assert values["A"].tolist() == pytest.approx([(1 + 1 / 3) / 2, (1 / 4 + 0) / 2])
    assert values["B"].tolist()[0] == 0.5
    assert math.isnan(values["B"].tolist()[1])


def test_a_comparison_agrees_with_scipy():
    values = pair()
    found = compare(values, "A", "B")
    t = stats.ttest_rel(values["A"], values["B"])
    interval = t.confidence_interval(0.95)
    assert found["p_t"] == pytest.approx(t.pvalue)
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    difference = values["A"] - values["B"]
    moved = difference[difference != 0]
    assert 0 < len(moved) < len(difference)
    assert found["p_wilcoxon"] == pytest.approx(stats.wilcoxon(moved, method="asymptotic").pvalue)


def test_a_comparison_by_hand():
    values = pd.DataFrame({"A": [1.0, 0.5, 0.5, 1.0], "B": [0.5, 0.5, 0.0, 1.0]})
    found = compare(values, "A", "B")
    assert (found["n"], found["a"], found["b"], found["difference"]) == (4, 0.75, 0.5, 0.25)
    assert found["relative"] == pytest.approx(50)
    assert found["d_z"] == pytest.approx(0.25 / math.sqrt(4 * 0.25**2 / 3))  # differences .5 0 .5 0
    assert found["p_t"] == pytest.approx(2 * stats.t.sf(0.25 / (math.sqrt(1 / 12) / 2), 3))


def test_the_relative_interval_covers_users_and_grows_tight_with_them():
    wide, tight = (compare(pair(n), "A", "B") for n in (100, 4000))
    for found in (wide, tight):
        assert found["relative_low"] < found["relative"] < found["relative_high"]
    narrow = tight["relative_high"] - tight["relative_low"]
    assert narrow < 0.25 * (wide["relative_high"] - wide["relative_low"])
    n, a, b = 4000, *pair(4000)[["A", "B"]].to_numpy().T
    delta = (
        196 * (a - a.mean() / b.mean() * b).std() / b.mean() / math.sqrt(n)
    )  # the delta method's half-width in %
    assert narrow / 2 == pytest.approx(delta, rel=0.1)
    assert compare(pair(), "A", "B") == compare(pair(), "A", "B")
    fast, slow = (compare(pair(4000), "A", "B", bootstraps=n) for n in (0, 2000))
    assert fast["relative_low"] == pytest.approx(fast["relative"] - delta, rel=1e-3)
    assert (fast["relative_low"], fast["relative_high"]) == pytest.approx(
        (slow["relative_low"], slow["relative_high"]), abs=0.1 * delta
    )


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_equal_systems_differ_by_nothing_and_constant_gains_are_certain():
    same = pd.DataFrame({"A": [0.1, 0.2, 0.3], "B": [0.1, 0.2, 0.3], "C": [0.6, 0.7, 0.8]})
    found = compare(same, "A", "B")
    assert (found["difference"], found["d_z"], found["p_t"], found["p_wilcoxon"]) == (0, 0, 1, 1)
    exact = pd.DataFrame({"A": [0.5, 1.0, 0.75], "B": [0.25, 0.75, 0.5]})
    assert compare(exact, "B", "A")["d_z"] == -math.inf


def test_only_shared_users_count_and_strangers_are_refused():
    values = pair(10)
    values.loc[:3, "B"] = np.nan
    assert compare(values, "A", "B")["n"] == 6
    with pytest.raises(ValueError, match="no ranks of 'C'; there are A, B"):
        compare(values, "A", "C")
    with pytest.raises(ValueError, match="share 1 users"):
        compare(values.tail(1), "A", "B")


def test_nothing_to_divide_by_is_nan_not_infinity():
    found = compare(pd.DataFrame({"A": [1.0, 0.0, 1.0], "B": [0.0, 0.0, 0.0]}), "A", "B")
    assert math.isnan(found["relative"])
    assert math.isnan(found["relative_low"])
    assert found["difference"] == pytest.approx(2 / 3)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []
    p = np.random.default_rng(0).random(30) ** 3
    order = np.argsort(p)
    stepwise = [max(min(1, (30 - j) * p[order[j]]) for j in range(i + 1)) for i in range(30)]
    assert holm(p)[order] == pytest.approx(stepwise)


def test_against_each_corrects_over_all_rows_of_the_table():
    rng = np.random.default_rng(1)
    table = pd.concat(
        [
            ranks(s, rng.integers(1, top, 80), d)
            for d in ("a->b", "b->a")
            for s, top in (("ours", 12), ("x", 20), ("y", 14))
        ]
    )
    found = against_each(table, "NDCG@10", "ours")
    assert found["direction"].tolist() == ["a->b", "a->b", "b->a", "b->a"]
    assert found["rival"].tolist() == ["x", "y"] * 2
    alone = [
        compare(user_values(table[table["direction"] == d], "NDCG@10"), "ours", rival)["p_t"]
        for d, rival in zip(found["direction"], found["rival"], strict=True)
    ]
    assert found["p"].tolist() == pytest.approx(holm(alone))
    turned = each_against(table, "NDCG@10", "ours")
    assert turned["system"].tolist() == found["rival"].tolist()
    assert turned["difference"].tolist() == pytest.approx((-found["difference"]).tolist())
    assert turned["p"].tolist() == pytest.approx(found["p"].tolist())


def two_seeds(system, first, second):
    return pd.concat([ranks(system, first).assign(seed=0), ranks(system, second).assign(seed=1)])


def test_a_gain_between_two_seeds_that_differ_as_much_is_no_gain():
    good, bad = [1] * 40 + [9] * 40, [1] * 30 + [9] * 50
    table = pd.concat(
        [two_seeds("ours", good, good[::-1]), two_seeds("base", [9] * 80, bad), ranks("floor", bad)]
    )
    found = best_rivals(table, "MRR", ["ours"], untrained=("floor",)).iloc[0]
    assert (found["rival"], found["seeds"]) == ("floor", 2)
    users = compare(user_values(table, "MRR"), "ours", "floor")
    assert found["difference ±"] > users["high"] - users["difference"]
    assert found["p"] > users["p_t"]
    against = best_rivals(table[table["system"] != "floor"], "MRR", ["ours"]).iloc[0]
    assert against["rival"] == "base"
    assert against["p"] > 0.05 > compare(user_values(table, "MRR"), "ours", "base")["p_t"]


def test_the_base_is_the_only_rival_of_a_plug_in():
    table = pd.concat([ranks("A", [1, 2, 3]), ranks("B", [1, 1, 1]), ranks("A + texts", [1, 1, 2])])
    found = best_rivals(table, "MRR", ["A + texts", "B + texts"], against_base=True)
    assert found["rival"].tolist() == ["A"]


def test_kendalls_tau_counts_pairs_of_shared_systems():
    published = {"A": 0.4, "B": 0.3, "C": 0.2, "D": 0.1, "absent": 0.9}
    measured = {"A": 0.9, "B": 0.7, "C": 0.8, "D": 0.1}
    tau, p, n = order_agreement(published, measured)
    assert (tau, n) == (pytest.approx((5 - 1) / 6), 4)
    assert p == pytest.approx(stats.kendalltau([4, 3, 2, 1], [9, 7, 8, 1]).pvalue)
    assert order_agreement({"A": 1}, {"B": 1})[2] == 0


def test_a_difference_of_gains_matches_the_bootstrap():
    rng = np.random.default_rng(0)
    one = pd.DataFrame({"A": rng.random(800) < 0.5, "B": rng.random(800) < 0.3}).astype(float)
    other = pd.DataFrame({"A": rng.random(500) < 0.35, "B": rng.random(500) < 0.3}).astype(float)
    found = gain_difference(one, other, "A", "B")
    gains = [100 * (part["A"].mean() / part["B"].mean() - 1) for part in (one, other)]
    assert found["relative"] == pytest.approx(gains[0] - gains[1])
    drawn = []
    for _ in range(1500):
        again = [
            part.to_numpy()[rng.integers(0, len(part), len(part))].mean(0) for part in (one, other)
        ]
        drawn.append(100 * (again[0][0] / again[0][1] - again[1][0] / again[1][1]))
    half = (found["relative_high"] - found["relative_low"]) / 2
    assert half == pytest.approx(1.96 * np.std(drawn), rel=0.1)
    assert found["p_t"] == pytest.approx(2 * stats.norm.sf(found["relative"] / (half / 1.959964)))
    assert found["n"] == 1300
    back = gain_difference(other, one, "A", "B")
    assert (back["relative"], back["p_t"]) == (
        pytest.approx(-found["relative"]),
        pytest.approx(found["p_t"]),
    )


def test_a_gain_that_is_not_defined_has_no_p():
    one = pd.DataFrame({"A": [1.0, 0.0], "B": [0.0, 0.0]})
    assert math.isnan(gain_difference(one, pair(10), "A", "B")["p_t"])
    assert math.isnan(gain_difference(pair(10).head(1), pair(10), "A", "B")["p_t"])


def test_the_level_holds_a_true_null_is_rejected_in_five_of_a_hundred():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        values = pd.DataFrame({"A": rng.random(60) < 0.3, "B": rng.random(60) < 0.3}).astype(float)
        wrong += compare(values, "A", "B", bootstraps=0)["p_t"] < 0.05
    assert 0.02 < wrong / 400 < 0.085


def test_what_a_leak_gains_is_paired_over_users():
    closed = pd.concat([ranks("A", [5, 5, 2, 9], d) for d in ("a->b", "b->a")])
    opened = pd.concat(
        [ranks("A", r, d) for r, d in (([1, 1, 2, 3], "a->b"), ([5, 5, 2, 9], "b->a"))]
    )
    found = leak_gain(closed, opened, "MRR")
    assert found["difference"].tolist() == pytest.approx([(2 * 0.8 + 0 + 1 / 3 - 1 / 9) / 4, 0])
    assert found["p"].tolist()[1] == 1
    assert found["users"].tolist() == [4, 4]
