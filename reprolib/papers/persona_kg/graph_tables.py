"""Table 1: data sets and their graphs."""

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.papers.persona_kg.graph import build_graph, graph_statistics
from reprolib.papers.persona_kg.linking import links_of


def statistics_table(datasets: list[Dataset]) -> pd.DataFrame:
    """One row a data set and domain: users, items, mean session, edges of each relation, share of linked items."""
    rows = []
    for dataset in datasets:
        split = dataset.split
        first, last = split.candidates
        edges = graph_statistics(build_graph(dataset)).set_index("relation")["edges"]
        rows.append(
            {
                "data set": dataset.name,
                "domain": split.target,
                "users": split.n_users,
                "items": last - first + 1,
                "mean session": float(np.diff(split.ptr).mean()),
                "user-item": edges["user-item"],
                "item-item": edges["item-item"],
                "item-feature": edges["item-feature"],
                "item-entity": edges["item-entity"],
                "linked": links_of(dataset).rate,
            }
        )
    return pd.DataFrame(rows)
