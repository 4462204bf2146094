import numpy as np
import pytest
import torch
from scipy import sparse
from toy import corpus, echo

from reprolib.data.split import leave_one_out
from reprolib.graph import (
    Graph,
    by_row,
    co_interaction,
    symmetric,
    transitions,
    user_item,
    with_loops,
)


def random_matrix(seed=0, shape=(7, 5)):
    return sparse.random(*shape, density=0.4, random_state=seed, format="csr")


def test_the_product_and_its_gradient_are_those_of_a_dense_matrix():
    matrix = random_matrix()
    dense = torch.from_numpy(matrix.toarray()).float()
    x = torch.randn(5, 3, requires_grad=True)
    weight = torch.randn(7, 3)
    (Graph(matrix)(x) * weight).sum().backward()
    torch.testing.assert_close(Graph(matrix)(x), dense @ x)
    torch.testing.assert_close(x.grad, dense.T @ weight)


def test_chosen_rows_are_rows_of_the_product():
    matrix, nodes = random_matrix(), torch.tensor([6, 0, 3, 3])
    x = torch.randn(5, 3, requires_grad=True)
    part = Graph(matrix).rows(x, nodes)
    torch.testing.assert_close(part, Graph(matrix)(x)[nodes])
    part.sum().backward()
    assert x.grad.abs().sum() > 0


def test_symmetric_normalisation_has_largest_eigenvalue_one_and_rows_sum_to_one_by_row():
    matrix = with_loops(random_matrix(shape=(6, 6)))
    assert np.isclose(np.linalg.eigvalsh(symmetric(matrix).toarray()).max(), 1)
    assert np.allclose(by_row(matrix).sum(1), 1)


def split_by_hand():
    """u: a x b | c (valid) d (test) in T, x at 15 in S; v: a b | c d; w: two events only, all training."""
    rows = [
        ("u", "a", "T", 10),
        ("u", "x", "S", 15),
        ("u", "b", "T", 20),
        ("u", "c", "T", 30),
        ("u", "d", "T", 40),
        ("u", "y", "S", 35),
        ("v", "a", "T", 1),
        ("v", "b", "T", 2),
        ("v", "c", "T", 3),
        ("v", "d", "T", 4),
        ("w", "b", "T", 5),
        ("w", "d", "T", 6),
    ]
    return leave_one_out(corpus(rows), "T", "S")


def edges(matrix, split):
    name = dict(enumerate(split.items, start=1))
    coo = matrix.tocoo()
    return {(name[i], name[j]) for i, j in zip(coo.row, coo.col, strict=True)}


def test_edges_are_training_events_only():
    split = split_by_hand()
    assert edges(co_interaction(split), split) == {("a", "b"), ("b", "a"), ("b", "d"), ("d", "b")}
    assert edges(transitions(split, "target"), split) == {("a", "b"), ("b", "d")}
    assert edges(transitions(split, "mix"), split) == {
        ("a", "x"),
        ("x", "b"),
        ("a", "b"),
        ("b", "d"),
    }
    names = [split.items[c - 1] for c in user_item(split).toarray().sum(0).nonzero()[0]]
    assert sorted(names) == ["a", "b", "d", "x"]  # y is later than u's validation event


def test_an_item_keeps_only_its_most_frequent_neighbours():
    split = leave_one_out(echo(n_users=200), "target", "source")
    full, few = co_interaction(split, 1000), co_interaction(split, 2)
    assert few.nnz < full.nnz
    assert (
        few.sum(1).A1[1:].min() >= 2
        if hasattr(few.sum(1), "A1")
        else np.asarray(few.sum(1)).ravel()[1:].min() >= 2
    )
    assert (few != few.T).nnz == 0
    assert not few.diagonal().any()


def test_an_edge_of_two_users_is_not_the_trace_of_one():
    """u and v both have a and b; d stands beside b with w alone."""
    split = split_by_hand()
    assert edges(co_interaction(split, users=2), split) == {("a", "b"), ("b", "a")}
    assert co_interaction(split, users=3).nnz == 0


@pytest.mark.parametrize("stage", ["valid", "test"])
def test_no_graph_holds_an_edge_of_a_held_out_event(stage):
    split = leave_one_out(echo(n_users=50), "target", "source")
    users, where = split.held_out(stage)
    met = user_item(split)
    again = {
        (u, i)
        for u, e, i in zip(users, split.train_end[users], split.item[where], strict=True)
        if i in split.item[split.ptr[u] : e]
    }
    held = {(u, i) for u, i in zip(users, split.item[where], strict=True)} - again
    assert not any(met[u, i] for u, i in held)
