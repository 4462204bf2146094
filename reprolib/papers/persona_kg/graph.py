"""The heterogeneous graph of the paper's stage 1: users, items, features and DBpedia entities; training edges only."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from reprolib.data.dataset import Dataset
from reprolib.data.origin import Origin
from reprolib.data.split import Split

NEIGHBOURS = 20  # items that an item is linked to: those it shares most training sessions with
RARE = 2  # a feature or entity of fewer items says nothing about another item
LARGEST_SHARE = 0.5  # of the items: what more of them have is in no meta-path
RELATIONS = ("user-item", "item-item", "item-feature", "item-entity")


@dataclass(frozen=True)
class KnowledgeGraph:
    """Sparse binary incidence matrices; row or column 0 of items is padding.

    user_item    (n_users, n_items + 1) training events of the target domain
    item_item    (n_items + 1, n_items + 1) items of the same training sessions, the most frequent per item
    item_feature (n_items + 1, features) categories and creators
    item_entity  (n_items + 1, entities) objects of DBpedia facts
    features, entities  names of the columns
    dropped      {relation: (rare nodes, hubs)} that were left out
    """

    user_item: sparse.csr_matrix
    item_item: sparse.csr_matrix
    item_feature: sparse.csr_matrix
    item_entity: sparse.csr_matrix
    features: list[str]
    entities: list[str]
    dropped: dict[str, tuple[int, int]]
    origin: Origin

    def without_users(self, users: np.ndarray) -> "KnowledgeGraph":
        """The graph without any edge that the users (codes) made, those between items of their sessions included."""
        keep = np.ones(self.user_item.shape[0], np.float32)
        keep[users] = 0
        user_item = sparse.csr_matrix(sparse.diags(keep) @ self.user_item)
        user_item.eliminate_zeros()
        return replace(self, user_item=user_item, item_item=co_occurrence(user_item))

    def rewired(self, seed: int = 0) -> "KnowledgeGraph":
        """A random graph of the same degrees: in every relation the edges' right ends are dealt anew.

        An edge that is dealt twice counts once, so that degrees may fall by the number of such collisions.
        """
        rng = np.random.default_rng(seed)
        return replace(
            self,
            user_item=_dealt_anew(self.user_item, rng),
            item_item=_dealt_anew(self.item_item, rng),
            item_feature=_dealt_anew(self.item_feature, rng),
            item_entity=_dealt_anew(self.item_entity, rng),
        )


def build_graph(dataset: Dataset) -> KnowledgeGraph:
    """The graph of a data set's target domain.

    A relation without data (no categories, no facts) is an empty matrix, and its meta-path falls away.
    """
    split = dataset.split
    user, item = split.train_pairs()
    shape = (split.n_users, split.n_items + 1)
    user_item = _incidence(user, item, shape)
    feature_pairs, entity_pairs = item_features(dataset), item_entities(dataset)
    item_feature, features, of_features = _relation(feature_pairs, split.n_items)
    item_entity, entities, of_entities = _relation(entity_pairs, split.n_items)
    graph = KnowledgeGraph(
        user_item,
        co_occurrence(user_item),
        item_feature,
        item_entity,
        features,
        entities,
        {"item-feature": of_features, "item-entity": of_entities},
        dataset.origin,
    )
    check_no_held_out_edge(graph, split)
    return graph


def check_no_held_out_edge(graph: KnowledgeGraph, split: Split) -> int:
    """Assert that no validation or test event is a user-item edge; returns how many were looked at.

    A held-out item that the user also met in training is an edge by right and is passed over.
    Raises ValueError that names the first user at fault.
    """
    user, item = split.train_pairs()
    trained = _incidence(user, item, graph.user_item.shape)
    checked = 0
    for stage in ("valid", "test"):
        users, places = split.held_out(stage)
        items = split.item[places]
        has_edge = np.asarray(graph.user_item[users, items]).ravel() > 0
        by_right = np.asarray(trained[users, items]).ravel() > 0
        at_fault = users[has_edge & ~by_right]
        if len(at_fault):
            raise ValueError(
                f"leak in {split.name}: the graph holds the {stage} event of user {split.users[at_fault[0]]} "
                f"({len(at_fault)} cases); build it from training events"
            )
        checked += len(users)
    return checked


def item_features(dataset: Dataset) -> pd.DataFrame:
    """item (code), name: categories and creators of the target's items; empty where the data set has no texts."""
    if dataset.corpus is None:
        return pd.DataFrame(columns=["item", "name"])
    first, last = dataset.split.candidates
    texts = dataset.item_texts.loc[first:last]
    categories = texts["categories"].explode().dropna()
    creators = texts["creator"]
    parts = [
        pd.DataFrame({"item": categories.index, "name": "category: " + categories.astype(str)}),
        pd.DataFrame({"item": creators.index, "name": "creator: " + creators})[
            creators.to_numpy() != ""
        ],
    ]
    return pd.concat(parts, ignore_index=True)


def item_entities(dataset: Dataset) -> pd.DataFrame:
    """item (code), name ("relation: object"): DBpedia facts of the target's items; empty where there are none."""
    empty = pd.DataFrame(columns=["item", "name"])
    if dataset.corpus is None or dataset.corpus.facts is None:
        return empty
    split = dataset.split
    first, last = split.candidates
    code = {str(split.items[c - 1]): c for c in range(first, last + 1)}
    facts = dataset.corpus.facts.to_pandas()
    facts = facts[facts["subject"].isin(code.keys())]
    if facts.empty:
        return empty
    names = facts["relation"].str.replace(r"^.*[/#]", "", regex=True) + ": " + facts["object"]
    return pd.DataFrame({"item": facts["subject"].map(code).to_numpy(), "name": names.to_numpy()})


def co_occurrence(user_item: sparse.csr_matrix, neighbours: int = NEIGHBOURS) -> sparse.csr_matrix:
    """(n_items + 1) square, symmetric, binary: each item and the items it shares most users with.

    user_item  (n_users, n_items + 1) binary; equal counts: the smaller code; the diagonal is empty
    """
    shared = sparse.csr_matrix(user_item.T @ user_item)
    shared.setdiag(0)
    shared.eliminate_zeros()
    shared.sort_indices()
    row = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
    best_first = np.lexsort((shared.indices, -shared.data, row))
    place = np.arange(len(best_first)) - shared.indptr[:-1][row[best_first]]
    edges = best_first[place < neighbours]
    chosen = _incidence(row[edges], shared.indices[edges], shared.shape)
    return sparse.csr_matrix(chosen.maximum(chosen.T))


def graph_statistics(graph: KnowledgeGraph) -> pd.DataFrame:
    """One row a relation: relation, left, right (nodes with an edge), edges, largest degree, rare and hubs dropped."""
    matrices = (graph.user_item, graph.item_item, graph.item_feature, graph.item_entity)
    rows = []
    for relation, matrix in zip(RELATIONS, matrices, strict=True):
        left, right = np.diff(matrix.indptr), np.diff(matrix.tocsc().indptr)
        rare, hubs = graph.dropped.get(relation, (0, 0))
        rows.append(
            {
                "relation": relation,
                "left nodes": int((left > 0).sum()),
                "right nodes": int((right > 0).sum()),
                "edges": matrix.nnz,
                "largest degree": int(max(left.max(initial=0), right.max(initial=0))),
                "rare dropped": rare,
                "hubs dropped": hubs,
            }
        )
    return pd.DataFrame(rows)


def hide_users(split: Split, share: float) -> tuple[Split, np.ndarray]:
    """A split in which some users are unknown: no training and no validation event; their test event stays.

    share  of the users; every split of one data set hides the same ones
    Returns the split and the hidden user codes. Their history may be read when they are tested.
    """
    from dataclasses import replace as replaced

    chosen = np.random.default_rng(0).random(split.n_users) < share
    train_end = np.where(chosen, split.ptr[:-1], split.train_end)
    valid = np.where(chosen, -1, split.valid)
    return replaced(split, train_end=train_end, valid=valid), np.flatnonzero(chosen)


def _relation(pairs: pd.DataFrame, n_items: int) -> tuple[sparse.csr_matrix, list[str], tuple]:
    """Incidence of items and named nodes without rare nodes and hubs; the names; how many of both were dropped."""
    pairs = pairs.drop_duplicates()
    counts = pairs.groupby("name", sort=True)["item"].nunique()
    rare = counts < RARE
    hubs = counts > max(LARGEST_SHARE * n_items, RARE)
    names = counts.index[~rare & ~hubs].tolist()
    number = {name: column for column, name in enumerate(names)}
    column = pairs["name"].map(number)
    kept = column.notna().to_numpy()
    rows = pairs["item"].to_numpy()[kept].astype(np.int64)
    columns = column.to_numpy()[kept].astype(np.int64)
    matrix = _incidence(rows, columns, (n_items + 1, len(names)))
    return matrix, names, (int(rare.sum()), int(hubs.sum()))


def _incidence(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """1 at each (row, column), however often the pair occurs."""
    matrix = sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _dealt_anew(matrix: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    edges = matrix.tocoo()
    return _incidence(edges.row, rng.permutation(edges.col), matrix.shape)
