"""Exact ranks of held-out items. Metrics are computed from ranks elsewhere, never here.

rank = 1 + number of better items + half the number of other items with the same score, among the items the user has
not seen. All compared scores of a user come from the same matrix product, so rounding cannot move a rank.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

USERS, ITEMS = 1024, 512  # tile sizes that stay in a core's second-level cache


@torch.no_grad()
def full_rank(
    queries: Tensor,
    items: Tensor,
    target: Tensor,
    seen_ptr: Tensor,
    seen: Tensor,
    first: int = 1,
    last: int | None = None,
) -> Tensor:
    """Rank of each user's held-out item among the unseen items of the catalogue `first..last`.

    queries   (users, d)       one vector per user; score = query · item
    items     (n_items + 1, d) row 0 is padding and never a candidate
    target    (users,)         held-out item codes, inside first..last
    seen_ptr  (users + 1,), seen (n,)  item codes to leave out, user after user; the target itself is never left out
    first, last                the candidate codes (one domain's items); default all

    Returns float64 ranks (users,), 1 = best. Raises ValueError when a score is NaN or infinite.
    """
    last = len(items) - 1 if last is None else last
    _check(queries, "queries")
    _check(items, "items")
    if len(target) and not (first <= int(target.min()) and int(target.max()) <= last):
        raise ValueError(f"full_rank: a held-out item lies outside the candidates {first}..{last}")
    if queries.device.type == "cpu" and len(target) >= 256:
        return _tiled_rank(queries, items, target, seen_ptr, seen, first, last)
    items = items[: last + 1]

    def scores(a: int, b: int) -> Tensor:
        return queries[a:b] @ items.T

    return rank_by_scores(scores, len(target), target, seen_ptr, seen, first, last, queries.device)


@torch.no_grad()
def rank_by_scores(
    scores: Callable[[int, int], Tensor],
    n_users: int,
    target: Tensor,
    seen_ptr: Tensor,
    seen: Tensor,
    first: int,
    last: int,
    device: torch.device | str = "cpu",
    block: int = 256,
) -> Tensor:
    """As `full_rank`, for models that are not dot products: `scores(a, b)` gives rows a..b, (b - a, > last)."""
    ranks = torch.empty(n_users, dtype=torch.float64)
    seen_ptr, seen, target = seen_ptr.to(device), seen.to(device), target.to(device)
    for a in range(0, n_users, block):
        b = min(a + block, n_users)
        block_scores = scores(a, b).clone()
        _check(block_scores, "scores")
        goal = target[a:b, None]
        held_out = block_scores.gather(1, goal)
        codes = seen[seen_ptr[a] : seen_ptr[b]]
        rows = torch.repeat_interleave(
            torch.arange(b - a, device=device), seen_ptr[a + 1 : b + 1] - seen_ptr[a:b]
        )
        inside = codes <= last
        block_scores[rows[inside], codes[inside]] = -torch.inf
        block_scores.scatter_(1, goal, held_out)
        candidates = block_scores[:, first : last + 1]
        better = (candidates > held_out).sum(1)
        ties = (candidates == held_out).sum(1) - 1
        ranks[a:b] = (1 + better + ties / 2).double().cpu()
    return ranks


@torch.no_grad()
def sampled_rank(queries: Tensor, items: Tensor, target: Tensor, negatives: Tensor) -> Tensor:
    """Rank of the held-out item among its own stored negatives, (users, m) item codes; ties count half.

    Returns float64 ranks (users,). Use it only beside papers that fix their negatives: the expected metric follows
    exactly from the full rank (`reprolib.evaluate.metrics`).
    """
    ranks = []
    for a in range(0, len(target), 2048):
        candidates = torch.cat([target[a : a + 2048, None], negatives[a : a + 2048]], 1)
        score = torch.bmm(items[candidates], queries[a : a + 2048, :, None])[..., 0]
        _check(score, "scores")
        better, ties = (score[:, 1:] > score[:, :1]).sum(1), (score[:, 1:] == score[:, :1]).sum(1)
        ranks.append((1 + better + ties / 2).double())
    return torch.cat(ranks)


def sample_negatives(
    target: Tensor, seen_ptr: Tensor, seen: Tensor, first: int, last: int, m: int, seed: int
) -> Tensor:
    """(users, m) codes drawn uniformly without replacement from first..last, never seen items nor the target."""
    generator = np.random.default_rng(seed)
    pointers, codes, goal = seen_ptr.numpy(), seen.numpy(), target.numpy()
    drawn = np.empty((len(goal), m), np.int64)
    for user, item in enumerate(goal):
        barred = set(codes[pointers[user] : pointers[user + 1]].tolist()) | {int(item)}
        if last - first + 1 - len(barred) < m:
            raise ValueError(
                f"sample_negatives: user {user} has fewer than {m} unseen items; use a smaller m"
            )
        picked: dict[int, None] = {}
        while len(picked) < m:
            picked |= dict.fromkeys(
                c for c in generator.integers(first, last + 1, 2 * m).tolist() if c not in barred
            )
        drawn[user] = list(picked)[:m]
    return torch.from_numpy(drawn)


def top_items(
    queries: Tensor,
    items: Tensor,
    seen_ptr: Tensor,
    seen: Tensor,
    k: int,
    first: int = 1,
    last: int | None = None,
) -> Tensor:
    """The k best unseen items per user, (users, k) codes, best first; for candidates and coverage, not for metrics.

    Arguments as for `full_rank`.
    """
    last = len(items) - 1 if last is None else last
    columns = items[: last + 1].T
    return top_by_scores(
        lambda a, b: queries[a:b] @ columns, len(queries), seen_ptr, seen, k, first, last
    )


@torch.no_grad()
def top_by_scores(
    scores: Callable[[int, int], Tensor],
    n_users: int,
    seen_ptr: Tensor,
    seen: Tensor,
    k: int,
    first: int,
    last: int,
    block: int = 256,
) -> Tensor:
    """As `top_items`, for models that are not dot products: `scores(a, b)` gives rows a..b, (b - a, > last)."""
    best = []
    for a in range(0, n_users, block):
        b = min(a + block, n_users)
        score = scores(a, b)[:, : last + 1].clone()
        _check(score, "scores")
        lengths = seen_ptr[a + 1 : b + 1] - seen_ptr[a:b]
        rows = torch.repeat_interleave(torch.arange(b - a), lengths).to(score.device)
        codes = seen[seen_ptr[a] : seen_ptr[b]].to(score.device)
        inside = codes <= last
        score[rows[inside], codes[inside]] = -torch.inf
        score[:, :first] = -torch.inf
        best.append(score.topk(min(k, last - first + 1), sorted=True).indices)
    return torch.cat(best)


def catalogue_coverage(top: Tensor, n_candidates: int) -> float:
    """Share of the candidate items that stand in at least one user's list; top (users, k) from `top_items`."""
    return len(top.unique()) / n_candidates


def _check(values: Tensor, what: str) -> None:
    if not torch.isfinite(values).all():
        raise ValueError(
            f"rank: {what} hold NaN or inf; with NaN every held-out item would rank first"
        )


def _tiled_rank(queries, items, target, seen_ptr, seen, first, last) -> Tensor:
    """Users in order of their target, so that a block's targets lie in few tiles: those tiles are computed once for
    the targets' scores and once more in the sweep, by the same call on the same operands, so the bits agree."""
    from reprolib.evaluate.kernels import as_many_threads_as_torch, count_tile, sort_seen

    as_many_threads_as_torch()
    n_items, d = last - first + 1, items.shape[1]
    n_tiles = -(-n_items // ITEMS)
    tiles = torch.zeros(n_tiles * ITEMS, d, dtype=torch.float32)
    tiles[:n_items] = items[first : last + 1].float()
    tiles = tiles.view(n_tiles, ITEMS, d).transpose(1, 2).contiguous()  # (tiles, d, ITEMS)
    goals = (target - first).numpy()
    order = np.argsort(goals, kind="stable")
    codes, pointers = sort_seen(seen.numpy() - first, seen_ptr.numpy(), goals, n_items)
    ranks = np.empty(len(goals))
    scores = torch.empty(USERS, ITEMS)
    for a in range(0, len(order), USERS):
        rows = order[a : a + USERS]
        block = torch.zeros(USERS, d, dtype=torch.float32)
        block[: len(rows)] = queries[torch.from_numpy(rows)].float()
        goal = goals[rows]
        held_out = np.empty(len(rows), np.float32)
        for tile in np.unique(goal // ITEMS):
            torch.mm(block, tiles[tile], out=scores)
            here = np.flatnonzero(goal // ITEMS == tile)
            held_out[here] = scores.numpy()[here, goal[here] % ITEMS]
        better, ties = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        cursor = pointers[rows].copy()
        for tile in range(n_tiles):
            torch.mm(block, tiles[tile], out=scores)
            width = min(ITEMS, n_items - tile * ITEMS)
            count_tile(
                scores.numpy(),
                width,
                tile * ITEMS,
                held_out,
                codes,
                cursor,
                pointers[rows + 1],
                better,
                ties,
            )
        ranks[rows] = 1 + better + (ties - 1) / 2
    return torch.from_numpy(ranks)
