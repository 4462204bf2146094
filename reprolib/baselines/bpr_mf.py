"""BPR-MF: matrix factorisation with the pairwise ranking loss (Rendle et al., UAI 2009), by sequential SGD.

Two threads never share a row: users and items are cut into two random halves each epoch, and a thread works on one
(user half, item half) block at a time, its negatives drawn from the same item half (the stratification of Gemulla et
al., KDD 2011). So the result does not depend on timing, which lock-free "Hogwild" SGD cannot promise.
"""

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.evaluate.kernels import as_many_threads_as_torch
from reprolib.training.fitted import Fitted, fitted_after
from reprolib.training.stopping import Stopping, run_epochs
from reprolib.training.validation import Validation


@dataclass
class State:
    """Factors in training and the events they are trained on.

    users (n_users, d), items (n_items + 1, d)  float32 factors
    user, item (events,)  int32 codes of the training events, sorted by user and item
    ptr (n_users + 1,)    where the events of each user start
    ranges                {domain: (first, last)} item codes
    rng                   draws halves and seeds
    """

    users: np.ndarray
    items: np.ndarray
    user: np.ndarray
    item: np.ndarray
    ptr: np.ndarray
    ranges: dict[str, tuple[int, int]]
    rng: np.random.Generator


def start(split: Split, dim: int, domains: str, rng: np.random.Generator) -> State:
    """Small random factors, uniform in ±1 / (2 dim), and the training events of the "target" or of "all" domains."""
    user, item = split.train_pairs(domains)
    order = np.lexsort((item, user))
    users = ((rng.random((split.n_users, dim)) - 0.5) / dim).astype(np.float32)
    items = ((rng.random((split.n_items + 1, dim)) - 0.5) / dim).astype(np.float32)
    items[0] = 0
    event_counts = np.bincount(user, minlength=split.n_users)
    return State(
        users,
        items,
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        np.concatenate([[0], np.cumsum(event_counts)]),
        split.ranges,
        rng,
    )


def bpr_mf(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    dim: int = 64,
    epochs: int = 200,
    patience: int = 5,
    every: int = 5,
    minimum_steps: int = 0,
    lr: float = 0.05,
    reg: float = 0.01,
    domains: str = "target",
) -> Fitted:
    """Learn x̂_ui = p_u · q_i with ln σ(x̂_ui - x̂_uj) - reg |Θ|², one uniform unseen negative j per positive.

    epochs, every, patience  upper limit, epochs between two looks, looks without a better one
    minimum_steps  steps before which training never stops; a step is one event
    domains        training events of the "target" only, or of "all" (both domains share the user factors)
    Parameters: (users + items) d. Raises ValueError on a number out of range.
    """
    stopping = Stopping(epochs=epochs, every=every, patience=patience, minimum_steps=minimum_steps)
    as_many_threads_as_torch()
    split = dataset.split
    state = start(split, dim, domains, np.random.default_rng(seed))
    validation = Validation(split)
    best = BestFactors(state)

    def train_epoch() -> tuple[None, int]:
        epoch(state, lr, reg)
        return None, len(state.user)

    def validate() -> float:
        queries = torch.from_numpy(state.users[validation.users])
        return validation.ndcg_of_vectors(queries, torch.from_numpy(state.items))

    training = run_epochs(
        "BPR-MF",
        stopping,
        train_epoch=train_epoch,
        validate=validate,
        keep_best=best.keep,
        progress=progress,
    )
    users = torch.from_numpy(best.users)
    items = torch.from_numpy(best.items)

    def vectors(stage: str) -> tuple[Tensor, Tensor]:
        return users[split.held_out(stage)[0]], items

    return fitted_after(training, vectors=vectors, parameters=users.numel() + items.numel())


class BestFactors:
    """Users and items as they were at the best look; before any look, as they are."""

    def __init__(self, state: State):
        self.state = state
        self.users = state.users
        self.items = state.items

    def keep(self) -> None:
        """Copy the factors of now."""
        self.users = self.state.users.copy()
        self.items = self.state.items.copy()


def epoch(state: State, lr: float, reg: float) -> None:
    """As many random draws as there are training events, in four blocks, two at a time."""
    rng = state.rng
    user_half = rng.integers(0, 2, len(state.users), dtype=np.int8)
    item_half = np.empty(len(state.items), np.int8)
    domain_of = np.empty(len(state.items), np.int16)
    halves = []  # item codes: first and second half of each domain
    for domain, (first, last) in enumerate(state.ranges.values()):
        codes = rng.permutation(np.arange(first, last + 1, dtype=np.int32))
        middle = len(codes) // 2
        halves.append(codes[:middle])
        halves.append(codes[middle:])
        item_half[codes[:middle]] = 0
        item_half[codes[middle:]] = 1
        domain_of[first : last + 1] = domain
    pool = np.concatenate(halves)
    pool_ptr = np.concatenate([[0], np.cumsum([len(half) for half in halves])])
    block = 2 * user_half[state.user] + item_half[state.item]
    events = np.argsort(block, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=4))])
    seeds = rng.integers(1, 2**63 - 1, 4).astype(np.uint64)
    for blocks in ((0, 3), (1, 2)):  # two blocks that share neither a user half nor an item half
        _sgd(
            state.users,
            state.items,
            state.user,
            state.item,
            state.ptr,
            events,
            starts,
            np.array(blocks),
            seeds,
            pool,
            pool_ptr,
            domain_of,
            np.float32(lr),
            np.float32(reg),
        )


@numba.njit(inline="always")
def _next_random(state):
    """The next number of a xorshift generator (uint64)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@numba.njit(parallel=True, fastmath=True, cache=True)
def _sgd(P, Q, user, item, ptr, events, starts, blocks, seeds, pool, pool_ptr, domain_of, lr, reg):
    """Draw len(block) events of each block with replacement and step on each; blocks share no row of P or Q."""
    dim = P.shape[1]
    for thread in numba.prange(2):
        block = blocks[thread]
        state = seeds[block]
        n_events = starts[block + 1] - starts[block]
        for _ in range(n_events):
            state = _next_random(state)
            event = events[starts[block] + np.int64(state % np.uint64(n_events))]
            u = user[event]
            i = item[event]
            half = 2 * domain_of[i] + (block & 1)
            size = pool_ptr[half + 1] - pool_ptr[half]
            state = _next_random(state)
            j = pool[pool_ptr[half] + np.int64(state % np.uint64(size))]
            # is j an item of u? binary search in u's sorted items
            low = ptr[u]
            high = ptr[u + 1]
            while low < high:
                middle = (low + high) >> 1
                if item[middle] < j:
                    low = middle + 1
                else:
                    high = middle
            if low < ptr[u + 1] and item[low] == j:
                continue
            x = np.float32(0)
            for f in range(dim):
                x += P[u, f] * (Q[i, f] - Q[j, f])
            step = lr / (np.float32(1) + np.exp(x))
            for f in range(dim):
                p = P[u, f]
                qi = Q[i, f]
                qj = Q[j, f]
                P[u, f] = p + step * (qi - qj) - lr * reg * p
                Q[i, f] = qi + step * p - lr * reg * qi
                Q[j, f] = qj - step * p - lr * reg * qj
