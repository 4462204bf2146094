"""BPR-MF: matrix factorisation with the pairwise ranking loss (Rendle et al., UAI 2009), by sequential SGD.

Two threads never share a row: users and items are cut into two random halves each epoch, and a thread works on one
(user half, item half) block at a time, its negatives drawn from the same item half (the stratification of Gemulla et
al., KDD 2011). So the result does not depend on timing, which lock-free "Hogwild" SGD cannot promise.
"""

import time
from dataclasses import dataclass, field

import numba
import numpy as np

from reprolib.data.split import Split
from reprolib.evaluate.kernels import as_many_threads_as_torch


@dataclass
class Factors:
    """User factors (n_users, d) and item factors (n_items + 1, d), float32, of the best validation epoch."""

    users: np.ndarray
    items: np.ndarray
    history: list[dict] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class State:
    """Factors in training and the data they are trained on, sorted by user and item."""

    users: np.ndarray
    items: np.ndarray
    user: np.ndarray
    item: np.ndarray
    ptr: np.ndarray
    ranges: dict[str, tuple[int, int]]
    rng: np.random.Generator


def start(split: Split, dim: int, domains: str, rng: np.random.Generator) -> State:
    """Small random factors, uniform in ±1 / (2 dim)."""
    user, item = split.train_pairs(domains)
    order = np.lexsort((item, user))
    users, items = (
        ((rng.random((n, dim)) - 0.5) / dim).astype(np.float32)
        for n in (split.n_users, split.n_items + 1)
    )
    items[0] = 0
    ptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=split.n_users))])
    return State(
        users,
        items,
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        ptr,
        split.ranges,
        rng,
    )


def fit_bpr(
    split: Split,
    *,
    dim: int = 64,
    epochs: int = 200,
    patience: int = 5,
    every: int = 10,
    lr: float = 0.05,
    reg: float = 0.01,
    domains: str = "target",
    seed: int = 0,
    progress: bool = True,
) -> Factors:
    """Learn x̂_ui = p_u · q_i with ln σ(x̂_ui - x̂_uj) - reg |Θ|², one uniform unseen negative j per positive.

    domains  training events of the "target" only, or of "all" (both domains share the user factors)
    every, patience  validate NDCG@10 every so many epochs, stop after `patience` validations without a rise
    Parameters: (users + items) d.
    """
    from tqdm.auto import tqdm

    as_many_threads_as_torch()
    state = start(split, dim, domains, np.random.default_rng(seed))
    result, best, since, started = Factors(state.users, state.items), -1.0, 0, time.perf_counter()
    bar = tqdm(range(1, epochs + 1), desc="BPR-MF", unit="epoch", disable=not progress, leave=False)
    for done in bar:
        epoch(state, lr, reg)
        if done % every == 0 or done == epochs:
            ndcg = validation_ndcg(state.users, state.items, split)
            result.history.append(
                {"epoch": done, "NDCG@10": ndcg, "seconds": time.perf_counter() - started}
            )
            if ndcg > best:
                best, since, result.users, result.items = (
                    ndcg,
                    0,
                    state.users.copy(),
                    state.items.copy(),
                )
            else:
                since += 1
            bar.set_postfix(best=f"{best:.4f}", refresh=False)
            if since >= patience:
                break
    result.seconds = time.perf_counter() - started
    return result


def validation_ndcg(P: np.ndarray, Q: np.ndarray, split: Split) -> float:
    """NDCG@10 of the validation events under full ranking."""
    import torch

    from reprolib.evaluate.metrics import value
    from reprolib.evaluate.ranking import full_rank

    users, where = split.held_out("valid")
    if not len(users):
        return 0.0
    _, ptr, seen = split.seen("valid")
    tensors = [torch.from_numpy(x) for x in (P[users], Q, split.item[where], ptr, seen)]
    return float(value(full_rank(*tensors, *split.candidates).numpy(), "NDCG@10").mean())


def epoch(state: State, lr: float, reg: float) -> None:
    """As many random draws as there are training events, in four blocks, two at a time."""
    rng, n_items = state.rng, len(state.items)
    user_half = rng.integers(0, 2, len(state.users), dtype=np.int8)
    halves, where, domain_of = [], np.empty(n_items, np.int8), np.empty(n_items, np.int16)
    for d, (first, last) in enumerate(state.ranges.values()):
        codes = rng.permutation(np.arange(first, last + 1, dtype=np.int32))
        cut = len(codes) // 2
        halves += [codes[:cut], codes[cut:]]
        where[codes[:cut]], where[codes[cut:]] = 0, 1
        domain_of[first : last + 1] = d
    pool = np.concatenate(halves)
    pool_ptr = np.concatenate([[0], np.cumsum([len(h) for h in halves])])
    block = 2 * user_half[state.user] + where[state.item]
    events = np.argsort(block, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=4))])
    seeds = rng.integers(1, 2**63 - 1, 4).astype(np.uint64)
    for pair in ((0, 3), (1, 2)):  # two blocks that share neither a user half nor an item half
        _sgd(
            state.users,
            state.items,
            state.user,
            state.item,
            state.ptr,
            events,
            starts,
            np.array(pair),
            seeds,
            pool,
            pool_ptr,
            domain_of,
            np.float32(lr),
            np.float32(reg),
        )


@numba.njit(inline="always")
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@numba.njit(parallel=True, fastmath=True, cache=True)
def _sgd(P, Q, user, item, ptr, events, starts, blocks, seeds, pool, pool_ptr, domain_of, lr, reg):
    """Draw len(block) events of each block with replacement and step on each; blocks share no row of P or Q."""
    d = P.shape[1]
    for t in numba.prange(2):
        b = blocks[t]
        state, n = seeds[b], starts[b + 1] - starts[b]
        for _ in range(n):
            state = _next(state)
            k = events[starts[b] + np.int64(state % np.uint64(n))]
            u, i = user[k], item[k]
            half = 2 * domain_of[i] + (b & 1)
            size = pool_ptr[half + 1] - pool_ptr[half]
            state = _next(state)
            j = pool[pool_ptr[half] + np.int64(state % np.uint64(size))]
            low, high = ptr[u], ptr[u + 1]
            while low < high:
                middle = (low + high) >> 1
                if item[middle] < j:
                    low = middle + 1
                else:
                    high = middle
            if low < ptr[u + 1] and item[low] == j:
                continue
            x = np.float32(0)
            for f in range(d):
                x += P[u, f] * (Q[i, f] - Q[j, f])
            step = lr / (np.float32(1) + np.exp(x))
            for f in range(d):
                p, qi, qj = P[u, f], Q[i, f], Q[j, f]
                P[u, f] = p + step * (qi - qj) - lr * reg * p
                Q[i, f] = qi + step * p - lr * reg * qi
                Q[j, f] = qj - step * p - lr * reg * qj
