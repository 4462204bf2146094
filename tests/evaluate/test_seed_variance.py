import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprolib.evaluate.rank_table import RANK_COLUMNS
from reprolib.evaluate.seed_variance import SeedVariance, pooled_seed_variance, with_seeds


def ranks(system, hits, seed):
    row = dict.fromkeys(RANK_COLUMNS, "") | {
        "system": system,
        "dataset": "d",
        "direction": "a->b",
        "seed": seed,
    }
    return pd.DataFrame(
        [row | {"user": user, "rank": 1.0 if hit else 99.0} for user, hit in enumerate(hits)]
    )


def test_the_pooled_variance_by_hand():
    # A: means .5 and .75, relative variance .03125 / .625²; B: .25 three times; a floor is left out
    table = pd.concat(
        [ranks("A", [1, 1, 0, 0], 0), ranks("A", [1, 1, 1, 0], 1)]
        + [ranks("B", [1, 0, 0, 0], seed) for seed in (0, 1, 2)]
        + [ranks("Popularity", [1, 0, 0, 0], seed) for seed in (0, 1, 2, 3)]
    )
    found = pooled_seed_variance(table, "HR@10", ("Popularity",))
    assert found.freedom == 3
    assert found.relative == pytest.approx((0.03125 / 0.625**2 + 0) / 3)


def result(n=400, a=0.2, b=0.1, half=0.02):
    return {
        "n": n,
        "a": a,
        "b": b,
        "difference": a - b,
        "low": a - b - half,
        "high": a - b + half,
        "relative": 100.0,
        "relative_low": 80.0,
        "relative_high": 120.0,
        "p_t": 1e-9,
    }


def test_seeds_widen_the_interval_and_raise_p_by_the_formula():
    seeds = SeedVariance(0.01, 20)
    wider = with_seeds(result(), 2, 2, seeds)
    users = (0.02 / stats.t.ppf(0.975, 399)) ** 2
    extra = 0.01 * (0.2**2 + 0.1**2) / 2
    freedom = (users + extra) ** 2 / (users**2 / 399 + extra**2 / 20)
    error = np.sqrt(users + extra)
    assert wider["high"] - 0.1 == pytest.approx(error * stats.t.ppf(0.975, freedom))
    assert wider["p_t"] == pytest.approx(2 * stats.t.sf(0.1 / error, freedom))
    assert wider["relative_low"] < 80 < 120 < wider["relative_high"]


def test_a_system_without_chance_adds_nothing():
    seeds = SeedVariance(0.01, 20)
    one, both = with_seeds(result(), 2, np.inf, seeds), with_seeds(result(), 2, 2, seeds)
    assert result()["high"] < one["high"] < both["high"]
    assert with_seeds(result(), np.inf, np.inf, seeds) == result()
    assert with_seeds(result(), 2, 2, SeedVariance()) == result()
