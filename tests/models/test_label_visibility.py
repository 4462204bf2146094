"""Is a label visible through its own edge while training? Measured for every model that reads a graph of items."""

import pytest
from scipy.sparse import eye
from toy import echo

from reprolib.data.split import leave_one_out
from reprolib.graph import Graph
from reprolib.papers.semacdr.analysis import item_graphs, label_visibility

SPLIT = leave_one_out(echo(n_users=150, n_items=300, length=6), "target", "source")


@pytest.fixture(scope="module")
def visible():
    """One row a graph; most pairs of items on these data come from one user."""
    graphs = item_graphs(SPLIT) | {"none": Graph(eye(SPLIT.n_items + 1).tocsr())}
    return label_visibility(graphs, SPLIT).set_index("graph")


def test_without_a_graph_no_label_is_visible(visible):
    row = visible.loc["none"]
    assert row["training %"] < 12
    assert row["validation %"] < 12


@pytest.mark.parametrize(
    "graph", ["SemaCDR, co-interaction", "SemaCDR, SimpGraph", "C2DSR, transitions"]
)
def test_a_published_graph_shows_the_training_label_by_its_own_edge(visible, graph):
    row = visible.loc[graph]
    assert row["training %"] > 50
    assert row["validation %"] < 15


def test_edges_of_two_users_hide_it(visible):
    row = visible.loc["SemaCDR, edges of two users"]
    assert row["training %"] < 20
    assert row["training %"] < row["validation %"] + 12
