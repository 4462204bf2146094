"""What the annotator said and what the model made of it, in numbers. Nothing here is read by a model."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reprolib.baselines.c2dsr import smoothing
from reprolib.data.split import Split, slices
from reprolib.evaluate.ranking import full_rank
from reprolib.graph import Graph
from reprolib.papers.semacdr.model import item_graph_of
from reprolib.papers.semacdr.semantics import Semantics
from reprolib.training.batches import Batches

VISIBLE_WIDTH = 256  # of the random ids; the wider, the less one edge drowns in chance


def label_statistics(semantics: Semantics) -> pd.DataFrame:
    """Per category: its labels, labels per item, the most frequent one with its share of items, evenness of their use.

    evenness  entropy of the labels' frequencies / log of their number; 1 = all alike, 0 = one label for everything
    """
    rows = []
    for k, (category, names) in enumerate(semantics.categories.items()):
        share = semantics.labels[1:, k, : len(names)].mean(0)
        p = share[share > 0] / share.sum()
        rows.append(
            {
                "category": category,
                "labels": ", ".join(names),
                "labels per item": share.sum(),
                "most frequent": names[int(share.argmax())],
                "its share": share.max(),
                "evenness": float(-(p * np.log(p)).sum() / np.log(len(names))),
            }
        )
    return pd.DataFrame(rows)


def user_labels(split: Split, semantics: Semantics) -> tuple[np.ndarray, np.ndarray]:
    """How often each user's training items of the source and of the target carry each label: (n_users, K M) twice."""
    flat = semantics.labels.reshape(len(semantics.labels), -1).astype(np.float32)
    user, item = split.train_pairs("all")
    first, last = split.candidates
    target = (item >= first) & (item <= last)
    told = []
    for chosen in (~target, target):
        counts = np.zeros((split.n_users, flat.shape[1]), np.float32)
        np.add.at(counts, user[chosen], flat[item[chosen]])
        told.append(counts)
    return told[0], told[1]


def user_figure(split: Split, semantics: Semantics, user: int, most: int = 12) -> pd.DataFrame:
    """Figure 4 for one user: domain, label ("category: label") and share of the domain's labels, the most used ones."""
    names = [f"{c}: {label}" for c, labels in semantics.categories.items() for label in labels]
    slots = [
        k * semantics.labels.shape[2] + m
        for k, labels in enumerate(semantics.categories.values())
        for m in range(len(labels))
    ]
    source, target = (
        counts[user][slots] / max(counts[user].sum(), 1) for counts in user_labels(split, semantics)
    )
    top = np.argsort(-(source + target), kind="stable")[:most]
    return pd.DataFrame(
        [
            {"domain": domain, "label": names[i], "share": float(share[i])}
            for domain, share in ((split.source, source), (split.target, target))
            for i in top
        ]
    )


def examples(split: Split, semantics: Semantics, count: int) -> pd.DataFrame:
    """What was written about the first items: item, summary, labels; an empty table where `count` is 0."""
    rows = []
    for code in range(1, 1 + count):
        chosen = []
        for k, names in enumerate(semantics.categories.values()):
            chosen += [names[m] for m in semantics.labels[code, k].nonzero()[0]]
        summary = semantics.summary[code]
        rows.append(
            {"item": split.items[code - 1], "summary": summary, "labels": ", ".join(chosen)}
        )
    return pd.DataFrame(rows, columns=["item", "summary", "labels"])


def most_active_user(split: Split, semantics: Semantics) -> int:
    """Code of a user with many training events in both domains."""
    in_source = user_labels(split, semantics)[0].sum(1)
    return int((in_source * (split.train_end - split.ptr[:-1])).argmax())


def is_target(split: Split) -> np.ndarray:
    """(n_items,) bool: which items, in the order of their codes from 1 on, belong to the target domain."""
    codes = np.arange(1, split.n_items + 1)
    first, last = split.candidates
    return (codes >= first) & (codes <= last)


def alignment(split: Split, semantics: Semantics, seed: int = 0) -> pd.DataFrame:
    """Is a user's source profile nearer to the own target profile than to a random other user's?

    A profile is the user's share of each label minus the mean of all users in that domain: what is common to everybody
    would make all pairs alike. Rows: cosine with the own and with another's profile, and their difference; 95 %
    half-widths over users.
    """
    source, target = user_labels(split, semantics)
    active = (source.sum(1) > 0) & (target.sum(1) > 0)
    profiles = []
    for counts in (source[active], target[active]):
        share = counts / counts.sum(1, keepdims=True)
        share = share - share.mean(0)
        profiles.append(share / np.maximum(np.linalg.norm(share, axis=1, keepdims=True), 1e-12))
    shift = np.random.default_rng(seed).integers(1, active.sum(), active.sum())
    other = (np.arange(active.sum()) + shift) % active.sum()  # never the user
    own = (profiles[0] * profiles[1]).sum(1)
    others = (profiles[0] * profiles[1][other]).sum(1)
    rows = [("own target profile", own), ("another user's", others), ("difference", own - others)]
    return pd.DataFrame(
        [
            {
                "compared with": name,
                "cosine": v.mean(),
                "cosine ±": 1.96 * v.std(ddof=1) / np.sqrt(len(v)),
                "users": len(v),
            }
            for name, v in rows
        ]
    )


def label_visibility(graphs: dict[str, Graph], split: Split, seed: int = 0) -> pd.DataFrame:
    """In how many events does a graph of items lead from the last item to the label, before anything is trained?

    graphs  {name: normalised item graph}
    Columns: graph, "training %" (of users' last training events), "validation %", "ten random items %": the share of
    labels among the ten best unseen items, where random ids are propagated once and the last item's vector is the
    query. What training shows and validation does not is the label's own edge.
    """
    first, last = split.candidates
    ids = torch.randn(
        split.n_items + 1, VISIBLE_WIDTH, generator=torch.Generator().manual_seed(seed)
    )
    rows = []
    for name, graph in graphs.items():
        rows.append(
            {
                "graph": name,
                "training %": 100 * _seen_share(graph(ids), ids, split, "train"),
                "validation %": 100 * _seen_share(graph(ids), ids, split, "valid"),
                "ten random items %": 100 * 10 / (last - first + 1),
            }
        )
    return pd.DataFrame(rows)


def item_graphs(split: Split) -> dict[str, Graph]:
    """The item graphs of SemaCDR, as published and otherwise, and that of C2DSR."""
    return {
        "SemaCDR, co-interaction": item_graph_of(split, "co-interaction"),
        "SemaCDR, edges of two users": item_graph_of(split, "co-interaction", shared=2),
        "SemaCDR, SimpGraph": item_graph_of(split, "sequential"),
        "C2DSR, transitions": smoothing(split, "target"),
    }


def _seen_share(moved: Tensor, ids: Tensor, split: Split, stage: str) -> float:
    """Share of the stage's labels that stand among the ten best unseen items of the last item before them."""
    batches = Batches(split, stage, 1)
    user, label = batches.user.numpy(), batches.label.numpy()
    owner, seen = slices(split.ptr[user], label, split.item)  # what the user met before the label
    pointers = np.searchsorted(owner, np.arange(len(user) + 1))
    ranks = full_rank(
        moved[torch.from_numpy(split.item[label - 1])],
        ids,
        torch.from_numpy(split.item[label]),
        torch.from_numpy(pointers),
        torch.from_numpy(seen),
        *split.candidates,
    )
    return float((ranks <= 10).double().mean())


def neighbour_mixing(
    vectors: np.ndarray, is_target: np.ndarray, k: int = 10, most: int = 4000, seed: int = 0
) -> float:
    """Share of other-domain items among the k nearest (cosine), divided by the share that blind mixing would give.

    vectors (n, d), is_target (n,) bool; at most `most` items of each domain are drawn, the same number of each, so
    that 1 = perfectly mixed and 0 = apart.
    """
    rng = np.random.default_rng(seed)
    n = min(most, int(is_target.sum()), int((~is_target).sum()))
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(side))[:n] for side in (is_target, ~is_target)]
    )
    x = vectors[rows] / np.maximum(np.linalg.norm(vectors[rows], axis=1, keepdims=True), 1e-12)
    side, shares = is_target[rows], []
    for start in range(0, len(x), 1024):
        near = x[start : start + 1024] @ x.T
        near[np.arange(len(near)), start + np.arange(len(near))] = -np.inf
        nearest = np.argpartition(-near, k, axis=1)[:, :k]
        shares.append((side[nearest] != side[start : start + 1024, None]).mean(1))
    return float(np.concatenate(shares).mean() / (n / (2 * n - 1)))


def tsne(
    vectors: np.ndarray, is_target: np.ndarray, most: int = 600, seed: int = 0
) -> pd.DataFrame:
    """Figure 3: x, y and domain side of at most `most` items of each domain, by scikit-learn's t-SNE (cosine)."""
    from sklearn.manifold import TSNE

    rng = np.random.default_rng(seed)
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(side))[:most] for side in (is_target, ~is_target)]
    )
    model = TSNE(metric="cosine", init="pca", perplexity=min(30, len(rows) // 4), random_state=seed)
    xy = model.fit_transform(vectors[rows])
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "target": is_target[rows]})


def one_sided(split: Split, semantics: Semantics, most: int = 10) -> pd.DataFrame:
    """The labels whose use differs most between the domains: share of source items, of target items, log2 ratio."""
    sides = {
        d: semantics.labels[first : last + 1].mean(0) for d, (first, last) in split.ranges.items()
    }
    rows = [
        {
            "category": category,
            "label": label,
            "source items": float(sides[split.source][k, m]),
            "target items": float(sides[split.target][k, m]),
        }
        for k, (category, names) in enumerate(semantics.categories.items())
        for m, label in enumerate(names)
    ]
    frame = pd.DataFrame(rows)
    floor = 1 / len(semantics.labels)  # a label that one domain never uses has a finite ratio
    frame["log2 ratio"] = np.log2((frame["source items"] + floor) / (frame["target items"] + floor))
    return frame.loc[
        frame["log2 ratio"].abs().sort_values(ascending=False, kind="stable").index[:most]
    ]
