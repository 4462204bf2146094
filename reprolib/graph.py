"""Graphs of training events as sparse matrices, and their product with node vectors."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from reprolib.data.split import Split, slices


class Graph(nn.Module):
    """A constant sparse matrix A (rows, columns); `graph(x)` is A x, differentiable in x.

    The product sums rows with `embedding_bag`: several times faster on a CPU than torch's sparse matrices.
    """

    def __init__(self, matrix: sparse.spmatrix):
        super().__init__()
        for name, m in (("forward", matrix.tocsr()), ("backward", matrix.T.tocsr())):
            m.sum_duplicates()
            self.register_buffer(
                f"{name}_ptr", torch.from_numpy(m.indptr.astype(np.int32)), persistent=False
            )
            self.register_buffer(
                f"{name}_col", torch.from_numpy(m.indices.astype(np.int32)), persistent=False
            )
            self.register_buffer(
                f"{name}_weight", torch.from_numpy(m.data.astype(np.float32)), persistent=False
            )

    def forward(self, x: Tensor) -> Tensor:
        return _Product.apply(x, self)

    def rows(self, x: Tensor, nodes: Tensor) -> Tensor:
        """(N, d): the rows `nodes` (N,) of A x, without computing the others."""
        start = self.forward_ptr[nodes]
        size = self.forward_ptr[nodes + 1] - start
        ptr = F.pad(size.cumsum(0), (1, 0))
        at = torch.repeat_interleave(start - ptr[:-1], size) + torch.arange(
            int(ptr[-1]), device=x.device
        )
        return F.embedding_bag(
            self.forward_col[at].long(),
            x,
            ptr,
            mode="sum",
            include_last_offset=True,
            per_sample_weights=self.forward_weight[at],
        )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        return _sum(graph.forward_ptr, graph.forward_col, graph.forward_weight, x)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        g = ctx.graph
        return _sum(g.backward_ptr, g.backward_col, g.backward_weight, gradient.contiguous()), None


def _sum(ptr: Tensor, col: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    return F.embedding_bag(
        col, x, ptr, mode="sum", per_sample_weights=weight, include_last_offset=True
    )


def symmetric(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    """D^-1/2 A D^-1/2; for a matrix that is not square with the degrees of rows left and of columns right."""
    left, right = (_inverse(np.asarray(matrix.sum(axis)).ravel(), 0.5) for axis in (1, 0))
    return sparse.diags(left) @ matrix @ sparse.diags(right)


def by_row(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    """D^-1 A: the mean over a node's neighbours; nodes without any get zeros."""
    return sparse.diags(_inverse(np.asarray(matrix.sum(1)).ravel(), 1.0)) @ matrix


def _inverse(degree: np.ndarray, power: float) -> np.ndarray:
    return np.where(degree > 0, np.maximum(degree, 1e-12) ** -power, 0.0)


def user_item(split: Split, domains: str = "all") -> sparse.csr_matrix:
    """(n_users, n_items + 1) of zeros and ones: who had which training event, in the "target" or in "all" domains."""
    user, item = split.train_pairs(domains)
    return _binary(user, item, (split.n_users, split.n_items + 1))


def co_interaction(split: Split, neighbours: int = 50) -> sparse.csr_matrix:
    """(n_items + 1) square, symmetric, binary: items of one domain that the same users met in training.

    Each item chooses the `neighbours` others it shares most users with (equal counts: the smaller code); an edge
    stands where either chose the other. No edge crosses domains; the diagonal is empty.
    """
    met = user_item(split)
    counts = sparse.block_diag(
        [
            met[:, :1].T @ met[:, :1],
            *((met[:, a : b + 1].T @ met[:, a : b + 1]) for a, b in split.ranges.values()),
        ]
    ).tocsr()
    counts.setdiag(0)
    counts.eliminate_zeros()
    counts.sort_indices()
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    order = np.lexsort((counts.indices, -counts.data, row))
    kept = order[np.arange(len(order)) - counts.indptr[:-1][row[order]] < neighbours]
    chosen = _binary(row[kept], counts.indices[kept], counts.shape)
    return chosen.maximum(chosen.T)


def transitions(split: Split, sequence: str) -> sparse.csr_matrix:
    """(n_items + 1) square, binary: [i, j] = 1 where j directly follows i in a user's training sequence.

    sequence  "target", "source", or "mix" (both domains merged by time)
    """
    target = slices(split.ptr[:-1], split.train_end, np.arange(len(split.item)))
    source = slices(
        split.src_ptr[:-1], split.src_ptr[:-1] + split.src_train, np.arange(len(split.src_item))
    )
    user, item = {
        "target": (target[0], split.item[target[1]]),
        "source": (source[0], split.src_item[source[1]]),
        "mix": (
            np.concatenate([target[0], source[0]]),
            np.concatenate([split.item[target[1]], split.src_item[source[1]]]),
        ),
    }[sequence]
    if sequence == "mix":
        # a source event of the same instant may not be read before the target event, so it stands after it
        time = np.concatenate([split.time[target[1]], split.src_time[source[1]]])
        order = np.lexsort((np.arange(len(user)) >= len(target[0]), time, user))
        user, item = user[order], item[order]
    same = user[1:] == user[:-1]
    return _binary(item[:-1][same], item[1:][same], (split.n_items + 1,) * 2)


def with_loops(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    """A + Aᵀ made binary, and 1 on the diagonal."""
    return ((matrix + matrix.T + sparse.eye(matrix.shape[0])) > 0).astype(np.float32).tocsr()


def _binary(row: np.ndarray, col: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix((np.ones(len(row), np.float32), (row, col)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
