"""Meta-paths between users as chains of sparse matrices: no users-by-users matrix is ever made.

A path such as user - item - entity - item - user is kept as its factors. Every factor has rows that sum to one, or
to nothing where the path does not exist, so that a product is the mean over the path's instances. Published HDGI
normalises a binary adjacency symmetrically and caps neighbours; the mean over instances is our reading: it costs a
hub its edges, not their square, and a user's part of it is a mean over the user's items, which is what makes a
persona foldable (`personas.py`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from reprolib.graph import by_row
from reprolib.papers.persona_kg.graph import KnowledgeGraph

PATHS = ("UIU", "UIIU", "UIFIU", "UIEIU")
MERGED = "merged"


@dataclass(frozen=True)
class MetaPath:
    """A meta-path user - item ... item - user.

    name      of PATHS, or "merged"
    between   (n_items + 1) wide factors from an item to the items at the path's other end
    item_user (n_items + 1, n_users) mean over an item's users
    exists    (n_items + 1,) bool: from which items the path reaches a user
    """

    name: str
    between: tuple[sparse.csr_matrix, ...]
    item_user: sparse.csr_matrix
    exists: np.ndarray

    def from_items(self, users: np.ndarray) -> np.ndarray:
        """(n_items + 1, d): mean over the path from each item on; `users` (n_users, d); zeros where it ends.

        Summed in double precision: a hub's mean has very many small terms.
        """
        values = self.item_user @ users.astype(np.float64)
        for factor in reversed(self.between):
            values = factor @ values
        return np.asarray(values, np.float32)

    def factors(self, user_item: sparse.csr_matrix) -> list[sparse.csr_matrix]:
        """All factors, the first from users to items; their product with the users' vectors is the path's mean."""
        reach = sparse.diags(self.exists.astype(np.float32))
        return [by_row(sparse.csr_matrix(user_item @ reach)), *self.between, self.item_user]


def meta_paths(graph: KnowledgeGraph, names: tuple[str, ...] = PATHS) -> list[MetaPath]:
    """The named meta-paths that exist in the graph; a relation without edges has none.

    names  of PATHS, and "merged" for all relations as one (the homogeneous graph of DGI)
    Raises ValueError on an unknown name, and where none of the paths exists.
    """
    unknown = [name for name in names if name not in (*PATHS, MERGED)]
    if unknown:
        raise ValueError(f"meta-path {unknown[0]!r} is unknown; use {', '.join((*PATHS, MERGED))}")
    found = existing_paths(graph, names)
    if not found:
        raise ValueError(
            f"none of the meta-paths {', '.join(names)} exists in the graph of {graph.origin.datasets}; "
            "use UIU, which needs training events only"
        )
    return found


def existing_paths(graph: KnowledgeGraph, names: tuple[str, ...]) -> list[MetaPath]:
    """Those of the named meta-paths that reach anybody; [] where none does."""
    found = [_path(graph, name) for name in names]
    return [path for path in found if path.exists.any()]


def _path(graph: KnowledgeGraph, name: str) -> MetaPath:
    item_user = by_row(sparse.csr_matrix(graph.user_item.T))
    live = np.asarray(item_user.sum(1)).ravel() > 0
    chains = {
        "UIU": (),
        "UIIU": (_to_live(graph.item_item, live),),
        "UIFIU": _through(graph.item_feature, live),
        "UIEIU": _through(graph.item_entity, live),
    }
    between = _merged(graph, live) if name == MERGED else chains[name]
    reached = live.astype(np.float64)
    for factor in reversed(between):
        reached = factor @ reached
    if between:
        # items whose features partly lead nowhere: the mean is over the instances that exist
        scale = np.where(reached > 0, 1 / np.maximum(reached, 1e-12), 0)
        between = (sparse.csr_matrix(sparse.diags(scale) @ between[0]), *between[1:])
    return MetaPath(name, between, item_user, reached > 0)


def _to_live(matrix: sparse.csr_matrix, live: np.ndarray) -> sparse.csr_matrix:
    """Mean over those neighbours that have a user."""
    return by_row(sparse.csr_matrix(matrix @ sparse.diags(live.astype(np.float32))))


def _through(matrix: sparse.csr_matrix, live: np.ndarray) -> tuple[sparse.csr_matrix, ...]:
    """Item to its features, feature to those of its items that have a user."""
    return by_row(matrix), _to_live(sparse.csr_matrix(matrix.T), live)


def _merged(graph: KnowledgeGraph, live: np.ndarray) -> tuple[sparse.csr_matrix, ...]:
    """All relations as one step: the mean over those that an item has, the item itself included."""
    own = sparse.identity(len(live), format="csr", dtype=np.float32)
    to_features, from_features = _through(graph.item_feature, live)
    to_entities, from_entities = _through(graph.item_entity, live)
    neighbours = _to_live(graph.item_item, live)
    there = sparse.hstack([own, neighbours, to_features, to_entities], format="csr")
    back = sparse.vstack([own, own, from_features, from_entities], format="csr")
    return by_row(there), back


def by_hand_example() -> tuple[KnowledgeGraph, MetaPath, np.ndarray]:
    """Ten nodes for a computation by hand: 3 users, 4 items, 2 features, 1 entity.

    Returns the graph, its path UIU, and the path's mean with one self-loop of users whose vectors are 1, 2 and 4.
    """
    from reprolib.data.origin import Origin
    from reprolib.papers.persona_kg.graph import co_occurrence

    def matrix(pairs: list[tuple[int, int]], shape: tuple[int, int]) -> sparse.csr_matrix:
        rows, columns = zip(*pairs, strict=True)
        return sparse.csr_matrix((np.ones(len(pairs), np.float32), (rows, columns)), shape=shape)

    user_item = matrix([(0, 1), (0, 2), (1, 2), (1, 3), (2, 4)], (3, 5))
    item_feature = matrix([(1, 0), (2, 0), (3, 1), (4, 1)], (5, 2))
    item_entity = matrix([(1, 0), (4, 0)], (5, 1))
    names = ["crime", "romance"]
    graph = KnowledgeGraph(
        user_item,
        co_occurrence(user_item),
        item_feature,
        item_entity,
        names,
        ["Paris"],
        {},
        Origin(),
    )
    path = meta_paths(graph, ("UIU",))[0]
    x = np.array([[1.0], [2.0], [4.0]], np.float32)
    values = x
    for factor in reversed(path.factors(user_item)):
        values = factor @ values
    return graph, path, ((x + values) / 2)[:, 0]
