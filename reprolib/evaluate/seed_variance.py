"""What another seed would have changed: the part of a difference's variance that a test over users does not see."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reprolib.evaluate.metrics import value
from reprolib.evaluate.rank_table import labels


@dataclass(frozen=True)
class SeedVariance:
    """Relative variance of a system's mean metric between seeds, pooled over everything that was run.

    relative  variance of the run means / square of their mean
    freedom   degrees of freedom: runs minus systems and places
    """

    relative: float = 0.0
    freedom: int = 0


def pooled_seed_variance(
    ranks: pd.DataFrame, metric: str, untrained: tuple[str, ...] = ()
) -> SeedVariance:
    """Pooled over all (system, data set, direction, protocol) of a RankTable with two seeds or more.

    untrained  systems without chance, which are left out: their zero would hide what training varies
    """
    keys = ["label", "dataset", "direction", "protocol"]
    table = pd.DataFrame(
        {
            "label": labels(ranks),
            "dataset": ranks["dataset"],
            "direction": ranks["direction"],
            "protocol": ranks["protocol"],
            "seed": ranks["seed"],
            "value": value(ranks["rank"].to_numpy(), metric),
        }
    )[~ranks["system"].isin(untrained).to_numpy()]
    means = table.groupby([*keys, "seed"], observed=True)["value"].mean()
    total, freedom = 0.0, 0
    for _, runs in means.groupby(keys, observed=True):
        if len(runs) > 1 and runs.mean() > 0:
            total += (len(runs) - 1) * runs.var(ddof=1) / runs.mean() ** 2
            freedom += len(runs) - 1
    return SeedVariance(total / freedom if freedom else 0.0, freedom)


def with_seeds(
    result: dict[str, float], seeds_a: float, seeds_b: float, seeds: SeedVariance
) -> dict[str, float]:
    """A result of `compare` whose intervals and p_t count users and seeds.

    seeds_a, seeds_b  runs behind each mean; inf for a system without chance
    The variance of the difference is that over users plus relative seed variance times a² / seeds_a + b² / seeds_b;
    Student's t at Satterthwaite's degrees of freedom. The relative interval widens by the same factor.
    """
    from scipy import stats

    freedom_users = result["n"] - 1
    half_users = result["high"] - result["difference"]
    variance_users = (half_users / stats.t.ppf(0.975, freedom_users)) ** 2
    variance_seeds = seeds.relative * (result["a"] ** 2 / seeds_a + result["b"] ** 2 / seeds_b)
    if not variance_seeds:
        return result
    variance = variance_users + variance_seeds
    freedom = variance**2 / (variance_users**2 / freedom_users + variance_seeds**2 / seeds.freedom)
    error = np.sqrt(variance)
    half = float(error * stats.t.ppf(0.975, freedom))
    widened = dict(result)
    widened["low"] = result["difference"] - half
    widened["high"] = result["difference"] + half
    widened["p_t"] = float(2 * stats.t.sf(abs(result["difference"]) / error, freedom))
    if half_users > 0:
        factor = half / half_users
        for end in ("relative_low", "relative_high"):
            widened[end] = result["relative"] + factor * (result[end] - result["relative"])
    return widened
