"""Is a difference more than chance? Paired over users, corrected over the family that a table forms."""

import numpy as np
import pandas as pd

from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.seed_variance import SeedVariance, pooled_seed_variance, with_seeds
from reprolib.evaluate.summary import per_user

UNIT = ["dataset", "direction", "protocol", "user"]
BOOTSTRAPS = 2000
BOOTSTRAP_SEED = 0  # the same resamples of users in every comparison


def user_values(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per (dataset, direction, protocol, user), one column per label: the metric, averaged over seeds."""
    values = table[UNIT].assign(system=labels(table), value=per_user(table, metric))
    return values.pivot_table(
        index=UNIT, columns="system", values="value", aggfunc="mean", observed=True
    )


def compare(values: pd.DataFrame, a: str, b: str, bootstraps: int = BOOTSTRAPS) -> dict[str, float]:
    """System a against b over the users that both ranked; `values` from `user_values`.

    bootstraps  resamples for the relative interval; 0, for many pairs, takes the delta method and skips Wilcoxon (NaN)
    Returns n, a, b (means), difference with its 95 % t-interval (low, high), relative improvement (a - b) / b in %
    with a bootstrap interval over users (relative_low, relative_high), Cohen's d_z (mean / standard deviation of the
    differences), p_t (paired t-test) and p_wilcoxon (signed ranks, zeros left out). Raises ValueError when a system
    is absent or fewer than two users are shared.
    """
    from scipy import special

    for name in (a, b):
        if name not in values:
            raise ValueError(
                f"compare: no ranks of {name!r}; there are {', '.join(map(str, values.columns))}"
            )
    pair = values[[a, b]].dropna().to_numpy()
    n = len(pair)
    if n < 2:
        raise ValueError(f"compare: {a} and {b} share {n} users; at least two are needed")
    difference = pair[:, 0] - pair[:, 1]
    spread = difference.std(ddof=1)
    half = spread / np.sqrt(n) * special.stdtrit(n - 1, 0.975)
    means = pair.mean(0)
    relative = _bootstrap_relative(pair, bootstraps) if bootstraps else _delta_relative(pair)
    same = not difference.any()
    if spread:
        d_z = difference.mean() / spread
    elif same:
        d_z = 0.0
    else:
        d_z = np.copysign(np.inf, difference.mean())
    p_t = 1.0 if same else 2 * float(special.stdtr(n - 1, -abs(d_z) * np.sqrt(n)))
    return {
        "n": n,
        "a": means[0],
        "b": means[1],
        "difference": difference.mean(),
        "low": difference.mean() - half,
        "high": difference.mean() + half,
        "relative": 100 * (means[0] - means[1]) / means[1] if means[1] else np.nan,
        "relative_low": relative[0],
        "relative_high": relative[1],
        "d_z": d_z,
        "p_t": p_t,
        "p_wilcoxon": _p_wilcoxon(difference) if bootstraps else np.nan,
    }


def _p_wilcoxon(difference: np.ndarray) -> float:
    from scipy import stats

    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference, method="asymptotic").pvalue)


def _bootstrap_relative(pair: np.ndarray, bootstraps: int) -> tuple[float, float]:
    """95 % interval of the relative gain in percent, from resampled users."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    n = len(pair)
    both = pair[:, 0] + 1j * pair[:, 1]  # one gather and one sum for the two systems
    sums = np.empty(bootstraps, complex)
    for i in range(bootstraps):
        sums[i] = both[rng.integers(0, n, n, dtype=np.int32)].sum()
    sums = sums[sums.imag > 0]
    if not len(sums):
        return np.nan, np.nan
    low, high = np.percentile(sums.real / sums.imag - 1, [2.5, 97.5])
    return 100 * low, 100 * high


def _delta_relative(pair: np.ndarray) -> tuple[float, float]:
    """95 % interval of the relative gain in percent from its variance, without resampling."""
    gain, variance = _gain(pair)
    return gain - 1.959964 * np.sqrt(variance), gain + 1.959964 * np.sqrt(variance)


def gain_difference(one: pd.DataFrame, other: pd.DataFrame, a: str, b: str) -> dict[str, float]:
    """Is the relative gain of a over b larger among the users of `one` than among those of `other`?

    one, other  rows of `user_values`, no user in both
    Returns relative: the gain 100 (mean a / mean b - 1) in `one` minus that in `other`, in percentage points, with a
    95 % interval (relative_low, relative_high) and p_t from the normal law; each gain's variance by the delta method,
    var(a - (mean a / mean b) b) / (n mean b^2). n counts the users. NaN where b never scores or a group has one user.
    """
    from scipy import stats

    pairs = [part[[a, b]].dropna().to_numpy() for part in (one, other)]
    gains, variances = zip(*(_gain(pair) for pair in pairs), strict=True)
    relative = gains[0] - gains[1]
    error = np.sqrt(sum(variances))
    if error > 0:
        p = float(2 * stats.norm.sf(abs(relative) / error))
    elif relative == 0:
        p = 1.0
    else:
        p = np.nan
    return {
        "n": sum(map(len, pairs)),
        "relative": relative,
        "relative_low": relative - 1.959964 * error,
        "relative_high": relative + 1.959964 * error,
        "p_t": p,
    }


def _gain(pair: np.ndarray) -> tuple[float, float]:
    """Relative gain in percent and its variance; NaN where it is not defined."""
    if len(pair) < 2 or not pair[:, 1].any():
        return np.nan, np.nan
    a, b = pair.mean(0)
    deviation = pair[:, 0] - a / b * pair[:, 1]
    variance = 1e4 * deviation.var(ddof=1) / (len(pair) * b**2)
    return 100 * (a / b - 1), variance


def holm(p: list[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down correction of a family of p-values; the same order, each at most 1."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def against_each(
    table: pd.DataFrame, metric: str, ours: str, untrained: tuple[str, ...] = ()
) -> pd.DataFrame:
    """`ours` against each other system of each (dataset, direction), with the columns of `best_rivals`.

    untrained  systems without chance, for which one run says all
    p is Holm-corrected over all rows.
    """
    return _corrected(_paired_with(table, metric, ours, untrained, base_is_rival=False))


def each_against(
    table: pd.DataFrame, metric: str, base: str, untrained: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Each system of each (dataset, direction) against `base`; otherwise as `against_each`."""
    return _corrected(_paired_with(table, metric, base, untrained, base_is_rival=True))


def _paired_with(
    table: pd.DataFrame, metric: str, base: str, untrained: tuple[str, ...], base_is_rival: bool
) -> pd.DataFrame:
    """Every system but `base` paired with `base`, which is the rival or ours; p is not corrected."""
    seeds = pooled_seed_variance(table, metric, untrained)
    rows = []
    for _, part in table.groupby(["dataset", "direction"], sort=False, observed=True):
        values = user_values(part, metric)
        for other in values.columns.drop(base):
            pair = (other, base) if base_is_rival else (base, other)
            rows.append(_paired_row(part, values, metric, pair, seeds, untrained))
    return pd.DataFrame(rows)


def best_rivals(
    table: pd.DataFrame,
    metric: str,
    systems: list[str],
    untrained: tuple[str, ...] = (),
    against_base: bool = False,
) -> pd.DataFrame:
    """Each of the systems against the strongest other system of each direction, paired over users.

    systems       labels; none of them is a rival of another, and those that did not run are left out
    untrained     systems without chance, for which one run says all
    against_base  the only rival of "NAME + something" is NAME
    Columns: dataset, direction, system, rival, the two means, the difference with its 95 % half-width, the relative
    gain in % with its interval, Cohen's d_z, p (Holm-corrected over the rows of one system), users, seeds (the fewest
    behind either mean). Intervals and p count users and seeds, see `with_seeds`.
    """
    seeds = pooled_seed_variance(table, metric, untrained)
    names = labels(table).astype(str)
    frames = [pd.DataFrame()]
    for system in systems:
        rivals = ~names.isin(systems)
        if against_base:
            rivals = names == system.split(" + ")[0]
        rows = []
        for _, part in table[rivals | (names == system)].groupby(
            ["dataset", "direction"], sort=False, observed=True
        ):
            values = user_values(part, metric)
            if system in values and len(values.columns) > 1:
                rival = values.drop(columns=system).mean().idxmax()
                rows.append(_paired_row(part, values, metric, (system, rival), seeds, untrained))
        frames.append(_corrected(pd.DataFrame(rows)))
    return pd.concat(frames, ignore_index=True)


def _paired_row(
    part: pd.DataFrame,
    values: pd.DataFrame,
    metric: str,
    pair: tuple[str, str],
    seeds: SeedVariance,
    untrained: tuple[str, ...],
) -> dict:
    """One row of `best_rivals`: the rows `part` and the `user_values` of one place, ours and the rival."""
    names = labels(part)
    runs = [
        np.inf if name in untrained else part.loc[names == name, "seed"].nunique() for name in pair
    ]
    test = with_seeds(compare(values, *pair), *runs, seeds)
    return {
        "dataset": part["dataset"].iloc[0],
        "direction": part["direction"].iloc[0],
        "system": pair[0],
        "rival": pair[1],
        f"{metric} ours": test["a"],
        f"{metric} rival": test["b"],
        "difference": test["difference"],
        "difference ±": test["high"] - test["difference"],
        "gain %": test["relative"],
        "gain % low": test["relative_low"],
        "gain % high": test["relative_high"],
        "d_z": test["d_z"],
        "p": test["p_t"],
        "users": test["n"],
        "seeds": min(runs),
    }


def _corrected(tests: pd.DataFrame) -> pd.DataFrame:
    """The tests with p Holm-corrected over all of them."""
    if tests.empty:
        return tests
    return tests.assign(p=holm(tests["p"]))


def order_agreement(
    published: dict[str, float], measured: dict[str, float]
) -> tuple[float, float, int]:
    """Kendall's tau-b between two orders of the systems that both have: (tau, p, number of systems)."""
    from scipy import stats

    both = [name for name in published if name in measured]
    if len(both) < 2:
        return np.nan, np.nan, len(both)
    result = stats.kendalltau([published[s] for s in both], [measured[s] for s in both])
    return float(result.statistic), float(result.pvalue), len(both)


def leak_gain(closed: pd.DataFrame, opened: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What a leak adds: per system and direction the metric with honest and open clock, their difference with interval.

    closed, opened  RankTables of the same systems under the two protocols
    Columns dataset, system, direction, honest, leak open, difference, "difference ±", gain % (relative), d_z, p (Holm
    over the rows), users, seeds. Intervals and p count users and seeds, see `with_seeds`.
    """
    rows = []
    honest, leaking = "honest", "leak open"
    both = pd.concat([closed.assign(clock=honest), opened.assign(clock=leaking)])
    seeds = pooled_seed_variance(both, metric)
    for (dataset, system, direction), part in both.groupby(
        ["dataset", "system", "direction"], sort=False, observed=True
    ):
        runs = part.groupby("clock")["seed"].nunique()
        values = part.assign(value=per_user(part, metric)).pivot_table(
            index="user", columns="clock", values="value", aggfunc="mean", observed=True
        )
        result = with_seeds(compare(values, leaking, honest), runs[leaking], runs[honest], seeds)
        rows.append(
            {
                "dataset": dataset,
                "system": system,
                "direction": direction,
                "honest": result["b"],
                "leak open": result["a"],
                "difference": result["difference"],
                "difference ±": result["high"] - result["difference"],
                "gain %": result["relative"],
                "d_z": result["d_z"],
                "p": result["p_t"],
                "users": result["n"],
                "seeds": runs.min(),
            }
        )
    return _corrected(pd.DataFrame(rows))
