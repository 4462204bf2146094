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
        self._store("forward", matrix.tocsr())
        self._store("backward", matrix.T.tocsr())

    def _store(self, name: str, matrix: sparse.csr_matrix) -> None:
        """Keep the matrix as pointers, columns and weights; they are not part of the saved weights."""
        matrix.sum_duplicates()
        arrays = {
            "ptr": matrix.indptr.astype(np.int32),
            "col": matrix.indices.astype(np.int32),
            "weight": matrix.data.astype(np.float32),
        }
        for part, array in arrays.items():
            self.register_buffer(f"{name}_{part}", torch.from_numpy(array), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, d): A x of x (columns, d)."""
        return _Product.apply(x, self)

    def rows(self, x: Tensor, nodes: Tensor) -> Tensor:
        """(N, d): the rows `nodes` (N,) of A x, without computing the others; x (columns, d)."""
        start = self.forward_ptr[nodes]
        size = self.forward_ptr[nodes + 1] - start
        ptr = F.pad(size.cumsum(0), (1, 0))
        within_all = torch.arange(int(ptr[-1]), device=x.device)
        edges = torch.repeat_interleave(start - ptr[:-1], size) + within_all
        return F.embedding_bag(
            self.forward_col[edges].long(),
            x,
            ptr,
            mode="sum",
            include_last_offset=True,
            per_sample_weights=self.forward_weight[edges],
        )


class _Product(torch.autograd.Function):
    """A x, and Aᵀ times the gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        return _sum(graph.forward_ptr, graph.forward_col, graph.forward_weight, x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        graph = ctx.graph
        gradient = gradient.contiguous()
        return _sum(graph.backward_ptr, graph.backward_col, graph.backward_weight, gradient), None


def _sum(ptr: Tensor, col: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    """Per row the sum of weight · x[col]."""
    return F.embedding_bag(
        col, x, ptr, mode="sum", per_sample_weights=weight, include_last_offset=True
    )


def symmetric(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    """D^-1/2 A D^-1/2; for a matrix that is not square with the degrees of rows left and of columns right."""
    row_degree = np.asarray(matrix.sum(1)).ravel()
    column_degree = np.asarray(matrix.sum(0)).ravel()
    left = sparse.diags(_inverse_power(row_degree, 0.5))
    right = sparse.diags(_inverse_power(column_degree, 0.5))
    return left @ matrix @ right


def by_row(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    """D^-1 A: the mean over a node's neighbours; nodes without any get zeros."""
    row_degree = np.asarray(matrix.sum(1)).ravel()
    return sparse.diags(_inverse_power(row_degree, 1.0)) @ matrix


def _inverse_power(degree: np.ndarray, power: float) -> np.ndarray:
    """degree^-power, and 0 where the degree is 0."""
    return np.where(degree > 0, np.maximum(degree, 1e-12) ** -power, 0.0)


def user_item(split: Split, domains: str = "all") -> sparse.csr_matrix:
    """(n_users, n_items + 1) of zeros and ones: who had which training event, in the "target" or in "all" domains."""
    user, item = split.train_pairs(domains)
    return _binary(user, item, (split.n_users, split.n_items + 1))


def co_interaction(split: Split, neighbours: int = 50, users: int = 1) -> sparse.csr_matrix:
    """(n_items + 1) square, symmetric, binary: items of one domain that the same users met in training.

    Each item chooses the `neighbours` others it shares most users with (equal counts: the smaller code); an edge
    stands where either chose the other. No edge crosses domains; the diagonal is empty.
    users  fewest users that two items share; from 2 on no edge is the trace of a single user's own events
    """
    events = user_item(split)
    ranges = [(0, 0), *split.ranges.values()]  # padding, then the domains
    blocks = [events[:, first : last + 1].T @ events[:, first : last + 1] for first, last in ranges]
    shared_users = sparse.block_diag(blocks).tocsr()
    shared_users.setdiag(0)
    shared_users.data[shared_users.data < users] = 0
    shared_users.eliminate_zeros()
    shared_users.sort_indices()
    row = np.repeat(np.arange(shared_users.shape[0]), np.diff(shared_users.indptr))
    best_first = np.lexsort((shared_users.indices, -shared_users.data, row))
    place = np.arange(len(best_first)) - shared_users.indptr[:-1][row[best_first]]
    edges = best_first[place < neighbours]
    chosen = _binary(row[edges], shared_users.indices[edges], shared_users.shape)
    return chosen.maximum(chosen.T)


def transitions(split: Split, sequence: str) -> sparse.csr_matrix:
    """(n_items + 1) square, binary: [i, j] = 1 where j directly follows i in a user's training sequence.

    sequence  "target", "source", or "mix" (both domains merged by time)
    """
    if sequence == "target":
        user, item, _ = _target_events(split)
    elif sequence == "source":
        user, item, _ = _source_events(split)
    else:
        user, item = _merged_events(split)
    same_user = user[1:] == user[:-1]
    shape = (split.n_items + 1, split.n_items + 1)
    return _binary(item[:-1][same_user], item[1:][same_user], shape)


def _target_events(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, item and time of the target's training events, by user and time."""
    user, event = slices(split.ptr[:-1], split.train_end, np.arange(len(split.item)))
    return user, split.item[event], split.time[event]


def _source_events(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, item and time of the source's training events, by user and time."""
    start = split.src_ptr[:-1]
    user, event = slices(start, start + split.src_train, np.arange(len(split.src_item)))
    return user, split.src_item[event], split.src_time[event]


def _merged_events(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """User and item of both domains' training events, by user and time.

    A source event of the same instant may not be read before the target event, so it stands after it.
    """
    target = _target_events(split)
    source = _source_events(split)
    user, item, time = (np.concatenate(both) for both in zip(target, source, strict=True))
    is_source = np.arange(len(user)) >= len(target[0])
    order = np.lexsort((is_source, time, user))
    return user[order], item[order]


def with_loops(matrix: sparse.spmatrix) -> sparse.csr_matrix:
    """A + Aᵀ made binary, and 1 on the diagonal."""
    summed = matrix + matrix.T + sparse.eye(matrix.shape[0])
    return (summed > 0).astype(np.float32).tocsr()


def _binary(row: np.ndarray, col: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """A sparse matrix with 1 at each (row, col), however often the pair occurs."""
    matrix = sparse.csr_matrix((np.ones(len(row), np.float32), (row, col)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
