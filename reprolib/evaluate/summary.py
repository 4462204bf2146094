"""From a RankTable to the numbers of a table: means with intervals, subgroups, curves over sampled negatives."""

import numpy as np
import pandas as pd

from reprolib.evaluate.metrics import expected_value, value
from reprolib.evaluate.rank_table import SYSTEM, check_ranks, labels

COLD_ITEM, SHORT_HISTORY, HEAD_SHARE = 5, 5, 0.2


def per_user(table: pd.DataFrame, metric: str, sampled: int | None = None) -> np.ndarray:
    """Per-row value of the metric, or its expectation under `sampled` negatives.

    Raises ValueError where `sampled` is asked of ranks that are themselves among sampled negatives.
    """
    if sampled is None:
        return value(table["rank"].to_numpy(), metric)
    if (table["negatives"] != 0).any():
        raise ValueError(
            "per_user: expected sampled metrics follow from full ranks only; filter negatives == 0"
        )
    return expected_value(table["rank"].to_numpy(), table["candidates"].to_numpy(), metric, sampled)


def summarise(
    table: pd.DataFrame,
    metrics: list[str],
    by: list[str] | None = None,
    sampled: int | None = None,
    holes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Mean of each metric over users within a run, then over seeds.

    table    a RankTable
    by       columns that make a row; default system, variant, on, dataset, direction
    sampled  expectation under so many sampled negatives instead of the full ranking
    holes    factors of runs that failed (`Grid.holes`): a row without any run is shown, with empty metrics

    Returns one row per group with columns metric, "metric ±", users and seeds; of the default columns variant and on
    are left out where they are empty throughout.
    The 95 % half-width covers users and seeds: its variance is s²_users / users (of per-user means over seeds) plus
    s²_seeds / seeds (of run means), with Student's t at Satterthwaite's degrees of freedom. One seed: users only.
    """
    by = by or [*SYSTEM, "dataset", "direction"]
    rows = []
    if len(table):
        check_ranks(table)
        values = table[[*dict.fromkeys([*by, "seed", "user"])]]
        values = values.assign(**{m: per_user(table, m, sampled) for m in metrics})
        for key, group in values.groupby(by, sort=False, observed=True):
            rows.append(dict(zip(by, key, strict=True)) | _row(group, metrics))
    if holes is not None and len(holes):
        finished = {tuple(row[column] for column in by) for row in rows}
        for key in holes[by].drop_duplicates().itertuples(index=False, name=None):
            if key not in finished:
                rows.append(dict(zip(by, key, strict=True)) | {"users": 0, "seeds": 0})
    columns = [*by, *(c for m in metrics for c in (m, f"{m} ±")), "users", "seeds"]
    summary = pd.DataFrame(rows, columns=columns)
    unused = [c for c in ("variant", "on") if c in by and not summary[c].astype(bool).any()]
    return summary.drop(columns=unused)


def _row(group: pd.DataFrame, metrics: list[str]) -> dict[str, float]:
    """Means, half-widths and counts of one group of per-user values."""
    by_seed = group.groupby("seed", observed=True)[metrics].mean()
    by_user = group.groupby("user", observed=True)[metrics].mean()
    row: dict[str, float] = {}
    for metric in metrics:
        row[metric] = by_seed[metric].mean()
        row[f"{metric} ±"] = _half_width(by_user[metric].to_numpy(), by_seed[metric].to_numpy())
    return row | {"users": len(by_user), "seeds": len(by_seed)}


def _half_width(by_user: np.ndarray, by_seed: np.ndarray) -> float:
    """95 % half-width of a mean over users and seeds; NaN for one user.

    Where all users have 0 (or all 1) there is no variance to see; Wilson's bound z² / (n + z²) says what n users allow.
    """
    from scipy import stats

    users = len(by_user)
    if users < 2:
        return float("nan")
    parts = [(by_user.var(ddof=1) / users, users - 1)]
    if len(by_seed) > 1:
        parts.append((by_seed.var(ddof=1) / len(by_seed), len(by_seed) - 1))
    variance = sum(v for v, _ in parts)
    if variance == 0:
        z = stats.norm.ppf(0.975)
        return float(z**2 / (users + z**2))
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    return float(np.sqrt(variance) * stats.t.ppf(0.975, freedom))


def subgroups(table: pd.DataFrame) -> pd.DataFrame:
    """The table with three more columns for `summarise(by=...)`.

    item_group     "cold" (held-out item with fewer than 5 training events) or "warm"
    popularity     "head" (held-out item among the 20 % most popular candidates) or "tail"
    history_group  "short" (user with at most 5 training events in the target domain) or "long"
    """
    return table.assign(
        item_group=np.where(table["item_count"] < COLD_ITEM, "cold", "warm"),
        popularity=np.where(table["item_place"] <= HEAD_SHARE, "head", "tail"),
        history_group=np.where(table["history"] <= SHORT_HISTORY, "short", "long"),
    )


def sampling_curve(table: pd.DataFrame, metric: str, sizes: list[int]) -> pd.DataFrame:
    """The expected metric as the number of sampled negatives grows, mean over rows.

    sizes  numbers of negatives, each below the smallest number of candidates; the last may be the full ranking itself
    Returns columns system (the label), negatives and the metric.
    """
    rows = []
    for name, part in table.groupby(labels(table), sort=False, observed=True):
        for size in sizes:
            mean = float(per_user(part, metric, size).mean())
            rows.append({"system": name, "negatives": size, metric: mean})
    return pd.DataFrame(rows)


def order_of(summary: pd.DataFrame, metric: str) -> list[str]:
    """Labels of the systems from best to worst by a column of `summarise`."""
    best_first = summary.sort_values(metric, ascending=False)
    return labels(best_first).astype(str).tolist()


def swaps(one: list[str], two: list[str]) -> list[tuple[str, str]]:
    """Pairs (a, b) with a before b in the first order and after it in the second."""
    place = {name: i for i, name in enumerate(two)}
    return [(a, b) for i, a in enumerate(one) for b in one[i + 1 :] if place[a] > place[b]]
