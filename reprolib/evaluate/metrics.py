"""Metrics from ranks. A metric never sees a score; every cutoff and subgroup comes from one RankTable.

One held-out item per user, so Recall@K = HR@K and the ideal DCG is 1. A half rank (a tie) counts by its value:
rank 10.5 is outside the top 10.
"""

import re

import numpy as np
import pandas as pd

RANK_COLUMNS = (
    "system",
    "dataset",
    "direction",
    "seed",
    "protocol",
    "user",
    "rank",
    "candidates",
    "item_count",
    "item_place",
    "history",
)
COLD_ITEM, SHORT_HISTORY, HEAD_SHARE = 5, 5, 0.2


def check_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """The table itself if it is a RankTable, else a ValueError that says what is missing or impossible.

    One row per (system, dataset, direction, seed, protocol, user). `rank` in 1..candidates (halves are ties);
    `candidates` counts the ranked items, the held-out one included; `item_count` is the held-out item's number of
    training events, `item_place` its place among the candidates by that number (0 = most popular, 1 = least);
    `history` the number of the user's training events in the target domain.
    """
    missing = [c for c in RANK_COLUMNS if c not in table.columns]
    if missing:
        raise ValueError(
            f"RankTable: columns {', '.join(missing)} are missing; it has {', '.join(table.columns)}"
        )
    if not table["rank"].between(1, table["candidates"]).all():
        raise ValueError("RankTable: a rank lies outside 1..candidates (NaN counts as outside)")
    return table


def value(rank: np.ndarray, metric: str) -> np.ndarray:
    """Per-user value of "HR@10", "Recall@20", "NDCG@5", "MRR" or "MRR@10"; rank (n,), 1 = best, to (n,) floats.

    HR@K = Recall@K = [r <= K]; NDCG@K = [r <= K] / log2(r + 1); MRR@K = [r <= K] / r.
    """
    name, cutoff = parse(metric)
    rank = np.asarray(rank, float)
    hit = rank <= cutoff
    if name in ("HR", "Recall"):
        return hit.astype(float)
    return hit / (np.log2(rank + 1) if name == "NDCG" else rank)


def parse(metric: str) -> tuple[str, float]:
    """("NDCG", 10.0) of "NDCG@10"; ("MRR", inf) of "MRR"."""
    match = re.fullmatch(r"(HR|Recall|NDCG|MRR)(?:@(\d+))?", metric)
    if not match or (match[1] != "MRR" and not match[2]):
        raise ValueError(
            f"{metric!r} is not a metric; use HR@K, Recall@K, NDCG@K, MRR or MRR@K, for example NDCG@10"
        )
    return match[1], float(match[2] or np.inf)


def expected_value(rank: np.ndarray, candidates: np.ndarray, metric: str, m: int) -> np.ndarray:
    """Expected per-user metric when the held-out item meets m negatives drawn without replacement, (n,) floats.

    Of the N = candidates - 1 negatives, b = rank - 1 are better, so the number of better ones among the m drawn is
    hypergeometric(N, b, m), and the expectation is a finite sum over it (after Krichene and Rendle, KDD 2020, who draw
    with replacement). Exact for whole ranks; a half rank (tie) takes the mean of its two neighbours.
    """
    cutoff = parse(metric)[1]
    rank, negatives = np.asarray(rank, float), np.asarray(candidates, np.int64) - 1
    if (negatives < m).any():
        raise ValueError(
            f"expected_value: {int((negatives < m).sum())} users have fewer than {m} negatives"
        )
    terms = int(min(cutoff, m + 1))
    pairs, inverse = np.unique(
        np.stack([negatives, np.round(2 * (rank - 1)).astype(np.int64)]),
        axis=1,
        return_inverse=True,
    )
    gain = value(np.arange(1, terms + 1), metric)
    low, high = pairs[1] // 2, (pairs[1] + 1) // 2
    expected = (
        _expected_gain(pairs[0], low, m, gain) + _expected_gain(pairs[0], high, m, gain)
    ) / 2
    return expected[inverse.ravel()]


def _expected_gain(negatives, better, m, gain) -> np.ndarray:
    """Sum over x = 0..len(gain)-1 of gain[x] * P(x better among m drawn); (n,) each, in blocks of memory."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, negatives.max() + 2)))])

    def log_choose(n, k):
        n, k = np.broadcast_arrays(n, k)
        inside = (k >= 0) & (k <= n)
        n, k = np.where(inside, n, 0), np.where(inside, k, 0)
        return np.where(inside, log_factorial[n] - log_factorial[k] - log_factorial[n - k], -np.inf)

    x = np.arange(len(gain))
    out = np.empty(len(negatives))
    for a in range(0, len(out), 20_000):
        n, b = negatives[a : a + 20_000, None], better[a : a + 20_000, None]
        log_p = log_choose(b, x) + log_choose(n - b, m - x) - log_choose(n, m)
        out[a : a + 20_000] = np.exp(log_p) @ gain
    return out


def per_user(table: pd.DataFrame, metric: str, sampled: int | None = None) -> np.ndarray:
    """Per-row value of the metric, or its expectation under `sampled` negatives (from rows of protocol "full")."""
    if sampled is None:
        return value(table["rank"].to_numpy(), metric)
    if (table["protocol"] != "full").any():
        raise ValueError(
            "per_user: expected sampled metrics follow from full ranks only; filter protocol == 'full'"
        )
    return expected_value(table["rank"].to_numpy(), table["candidates"].to_numpy(), metric, sampled)


def summarise(
    table: pd.DataFrame, metrics: list[str], by: list[str] | None = None, sampled: int | None = None
) -> pd.DataFrame:
    """Mean of each metric over users within a run, then over seeds.

    Returns one row per group (default: system, dataset, direction) with columns metric, "metric ±", users and seeds.
    The 95 % half-width covers users and seeds: its variance is s²_users / users (of per-user means over seeds) plus
    s²_seeds / seeds (of run means), with Student's t at Satterthwaite's degrees of freedom. One seed: users only.
    """
    check_ranks(table)
    by = by or ["system", "dataset", "direction"]
    values = table[[*dict.fromkeys([*by, "seed", "user"])]].assign(
        **{m: per_user(table, m, sampled) for m in metrics}
    )
    rows = []
    for key, group in values.groupby(by, sort=False, observed=True):
        row = dict(zip(by, key, strict=True))
        by_seed, by_user = (
            group.groupby(c, observed=True)[metrics].mean() for c in ("seed", "user")
        )
        for metric in metrics:
            row[metric] = by_seed[metric].mean()
            row[f"{metric} ±"] = _half_width(by_user[metric].to_numpy(), by_seed[metric].to_numpy())
        rows.append(row | {"users": len(by_user), "seeds": len(by_seed)})
    return pd.DataFrame(rows)


def _half_width(by_user: np.ndarray, by_seed: np.ndarray) -> float:
    from scipy import stats

    if len(by_user) < 2:
        return float("nan")
    parts = [(by_user.var(ddof=1) / len(by_user), len(by_user) - 1)]
    if len(by_seed) > 1:
        parts.append((by_seed.var(ddof=1) / len(by_seed), len(by_seed) - 1))
    variance = sum(v for v, _ in parts)
    if variance == 0:
        return 0.0
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
    """(system, negatives, metric): the expected metric as the number of sampled negatives grows, mean over rows.

    Every size must be below the smallest number of candidates; the last point may be the full ranking itself.
    """
    rows = [
        {"system": name, "negatives": m, metric: float(per_user(part, metric, m).mean())}
        for name, part in table.groupby("system", sort=False, observed=True)
        for m in sizes
    ]
    return pd.DataFrame(rows)


def order_of(summary: pd.DataFrame, metric: str) -> list[str]:
    """System names from best to worst by a column of `summarise`."""
    return summary.sort_values(metric, ascending=False)["system"].tolist()


def swaps(one: list[str], two: list[str]) -> list[tuple[str, str]]:
    """Pairs (a, b) with a before b in the first order and after it in the second."""
    place = {name: i for i, name in enumerate(two)}
    return [(a, b) for i, a in enumerate(one) for b in one[i + 1 :] if place[a] > place[b]]
