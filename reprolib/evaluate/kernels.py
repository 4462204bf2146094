"""The compiled inner loops of ranking: comparing a tile of scores costs less than writing a mask for it."""

import numba
import numpy as np


def as_many_threads_as_torch() -> None:
    """Give numba torch's number of threads, and torch its own back: starting numba's pool sets OpenMP's number for the
    whole process to all cores, and every later operation of torch would wait for cores that others use."""
    import torch

    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)


@numba.njit(parallel=True, cache=True)
def count_tile(scores, width, offset, held_out, seen, cursor, end, better, ties):
    """Add, per user, how many of the tile's unseen items beat or equal the held-out score.

    scores (USERS, ITEMS) of which `width` columns are real, the first being item `offset`; seen: sorted codes of all
    users, user r's unread ones at cursor[r]..end[r] (the cursor moves on); held_out, better, ties: one per user.
    """
    for r in numba.prange(len(held_out)):
        row, goal = scores[r], held_out[r]
        above, equal = 0, 0
        for c in range(width):
            above += row[c] > goal
            equal += row[c] == goal
        at = cursor[r]
        while at < end[r] and seen[at] < offset + width:
            score = row[seen[at] - offset]
            above -= score > goal
            equal -= score == goal
            at += 1
        cursor[r] = at
        better[r] += above
        ties[r] += equal


@numba.njit(parallel=True, cache=True)
def _sort_rows(codes, pointers, goals, n_items, kept):
    for r in numba.prange(len(goals)):
        row = codes[pointers[r] : pointers[r + 1]]
        row.sort()
        n = 0
        for i in range(len(row)):
            code = row[i]
            if 0 <= code < n_items and code != goals[r] and (n == 0 or code != row[n - 1]):
                row[n] = code
                n += 1
        kept[r] = n


def sort_seen(codes: np.ndarray, pointers: np.ndarray, goals: np.ndarray, n_items: int):
    """Each user's seen codes sorted, without repeats, without the user's target and codes outside 0..n_items - 1.

    Returns (codes, pointers) of the same layout as given.
    """
    codes, kept = codes.copy(), np.zeros(len(goals), np.int64)
    _sort_rows(codes, pointers, goals, n_items, kept)
    new = np.zeros(len(goals) + 1, np.int64)
    np.cumsum(kept, out=new[1:])
    index = np.arange(new[-1]) - np.repeat(new[:-1] - pointers[:-1], kept)
    return codes[index], new
