"""Metrics from ranks. A metric never sees a score; every cutoff comes from one rank.

One held-out item per user, so Recall@K = HR@K and the ideal DCG is 1. A half rank (a tie) counts by its value:
rank 10.5 is outside the top 10.
"""

import re

import numpy as np


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
