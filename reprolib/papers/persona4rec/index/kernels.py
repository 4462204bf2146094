"""The compiled inner loops of serving. Rows are float32, or float16 seen as uint16 and widened in registers: a request
reads its candidates' rows where they lie (also in a memory-mapped file) and copies nothing."""

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

# reassociation lets a dot product use vector registers; -inf must keep its meaning, so not all of "fastmath"
FAST = {"reassoc", "contract", "nsz"}


@intrinsic
def widen(context, x):
    """A float32 from a float32, or from the bits of a float16 (numba knows no float16 on a CPU; LLVM does)."""

    def same(context, builder, signature, arguments):
        return arguments[0]

    def extend(context, builder, signature, arguments):
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return numba.float32(x), extend if x == numba.uint16 else same


@intrinsic
def fetch(context, rows, row):
    """Ask for the start of a row, so that it is on its way from memory while another one is read."""

    def ask(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        indices = [arguments[1], context.get_constant(numba.intp, 0)]
        start = cgutils.get_item_pointer(context, builder, signature.args[0], array, indices)
        number = ir.IntType(32)
        start = builder.bitcast(start, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [start.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [start.type], kind)
        builder.call(
            prefetch, [start, number(0), number(3), number(1)]
        )  # to read, keep in every cache, data
        return context.get_dummy_value()

    return numba.void(rows, numba.intp), ask


@numba.njit(fastmath=FAST, cache=True)
def _best(user, rows, added, begin, end, item):
    """Equation 10 for one item: (largest dot product, its row); (-inf, -1) for an item without rows or unknown."""
    top, at = np.float32(-np.inf), -1
    if 0 < item < len(begin):
        block, shift = rows, 0
        if begin[item] >= len(rows):
            block, shift = added, len(rows)
        for r in range(begin[item], end[item]):
            total = np.float32(0)
            for j in range(len(user)):
                total += user[j] * widen(block[r - shift, j])
            if total > top:
                top, at = total, r
    return top, at


@numba.njit(cache=True)
def score(user, rows, added, begin, end, candidates, scores, best):
    """One request: user (d,), candidates, scores and best (k,). Item i's rows are begin[i]:end[i] of rows (n, d);
    those from n on stand in `added`."""
    for item in (
        candidates
    ):  # memory is what a request waits for: all rows are asked for before the first is read
        if 0 < item < len(begin) and begin[item] < len(rows):
            for r in range(begin[item], end[item]):
                fetch(rows, r)
    for c in range(len(candidates)):
        scores[c], best[c] = _best(user, rows, added, begin, end, candidates[c])


@numba.njit(cache=True, parallel=True, nogil=True)
def score_many(users, rows, added, begin, end, candidates, scores, best):
    """`score` for users (n, d) and candidates, scores, best (n, k), in parallel over all n k pairs."""
    k = candidates.shape[1]
    for pair in numba.prange(candidates.size):
        u, c = pair // k, pair % k
        scores[u, c], best[u, c] = _best(users[u], rows, added, begin, end, candidates[u, c])


@numba.njit(fastmath=FAST, cache=True)
def pool(rows, weights):
    """Equations 6 and 7: unit mean (d,) of one user's rows (m, d), oldest first; weights[0] is the latest row's."""
    m, d = rows.shape
    user = np.zeros(d, np.float32)
    for i in range(m):
        for j in range(d):
            user[j] += weights[m - 1 - i] * widen(rows[i, j])
    total = np.float32(0)
    for j in range(d):
        total += user[j] * user[j]
    if total > 0:
        user /= np.sqrt(total)
    return user
