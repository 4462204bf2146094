"""Community Source Persona: for each target user, the mean of K source personas. Retrieval only, nothing is trained."""

import numpy as np

from reprolib.data.corpus import DataError

COMMUNITIES = ("csp", "random", "shuffled")
BLOCK = 1024  # target users whose similarities are in memory at a time


def nearest(target: np.ndarray, source: np.ndarray, k: int) -> np.ndarray:
    """The k source users whose personas have the highest cosine with each target user's.

    target (n_T, d), source (n_S, d)  persona vectors of any length
    Returns (n_T, k) rows of `source`, the nearest first. Raises DataError where k is not in 1..n_S.
    """
    _check_size(k, len(source))
    unit_source = _unit(source)
    unit_target = _unit(target)
    blocks = [np.empty((0, k), np.int64)]
    for start in range(0, len(target), BLOCK):
        cosine = unit_target[start : start + BLOCK] @ unit_source.T
        blocks.append(np.argsort(-cosine, axis=1, kind="stable")[:, :k])
    return np.concatenate(blocks)


def pooled(source: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Mean of the neighbours' persona vectors: source (n_S, d), neighbours (n_T, k) rows of it; returns (n_T, d)."""
    return source[neighbours].mean(1)


def community_personas(
    target: np.ndarray, source: np.ndarray, k: int, kind: str, rng: np.random.Generator
) -> np.ndarray:
    """One pooled vector (n_T, d) per target user.

    target (n_T, d), source (n_S, d)  persona vectors
    k     source users that are pooled
    kind  "csp": the k nearest; "random": k source users drawn without replacement (control: no retrieval);
          "shuffled": the "csp" vectors dealt out to other users (control: no tie between user and community)
    Raises DataError where k is not in 1..n_S, ValueError on an unknown kind.
    """
    if kind not in COMMUNITIES:
        raise ValueError(f"community {kind!r} is unknown; use one of {', '.join(COMMUNITIES)}")
    if kind == "random":
        _check_size(k, len(source))
        drawn = [rng.choice(len(source), k, replace=False) for _ in range(len(target))]
        return pooled(source, np.array(drawn, np.int64).reshape(-1, k))
    vectors = pooled(source, nearest(target, source, k))
    if kind == "shuffled":
        return vectors[rng.permutation(len(vectors))]
    return vectors


def centred(vectors: np.ndarray) -> np.ndarray:
    """The vectors (n, d) less their mean."""
    return vectors - vectors.mean(0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def _check_size(k: int, n_source: int) -> None:
    if not 1 <= k <= n_source:
        raise DataError(
            f"a community of {k} users cannot be drawn from {n_source} source personas; "
            f"use a k from 1 to {n_source}"
        )
