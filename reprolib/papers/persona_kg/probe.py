"""What does a persona mean? Its nearest features and entities in words, and whether a judge recognises the reader."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.papers.persona_kg.personas import FoldIn, Personas, fold_in
from reprolib.text import encode

JUDGE = "proxy: sentence encoder"


def named_nodes(personas: Personas) -> tuple[list[str], Tensor]:
    """Names of all features and entities and their vectors (nodes, d_p).

    A node's vector is the persona of somebody who met just the node's items, so it lies among personas.
    Raises ValueError where the personas come from no graph.
    """
    if personas.graph is None or personas.learned is None:
        raise ValueError("a probe needs personas from the graph: source hdgi, dgi or shuffled")
    graph = personas.graph
    tables = fold_in(graph, personas.learned, personas.x)
    names = [*graph.features, *graph.entities]
    vectors = []
    for matrix in (graph.item_feature, graph.item_entity):
        of_node = matrix.T.tocsr()
        for node in range(of_node.shape[0]):
            vectors.append(tables.persona(of_node[node].indices.tolist()))
    return names, torch.stack(vectors) if vectors else torch.empty(
        0, personas.learned.nodes.shape[1]
    )


def plain_name(name: str) -> str:
    """A node's name as a reader would write it: "subject: Category:Works_about_danger" is "works about danger"."""
    text = name.partition(": ")[2] or name
    return text.removeprefix("Category:").replace("_", " ")


def nearest_words(users: Tensor, names: list[str], nodes: Tensor, k: int = 5) -> list[list[str]]:
    """The k nodes nearest to each user by cosine, both centred on the mean user; users (n, d), nodes (m, d)."""
    centre = users.mean(0)
    likeness = F.normalize(users - centre, dim=1) @ F.normalize(nodes - centre, dim=1).T
    best = likeness.topk(min(k, len(names)), dim=1).indices.tolist()
    return [[names[place] for place in row] for row in best]


def judged(
    dataset: Dataset, words: list[list[str]], users: np.ndarray, seed: int = 0
) -> pd.DataFrame:
    """A forced choice: which of two people's items do these words describe? One row per question and user.

    words  of each of `users` (codes), as `nearest_words` gives them
    Question "training items": the user's own training titles and categories against another user's.
    Question "next item": the held-out item of the user against that of the other, which no persona has seen.
    The judge is a sentence encoder that takes the more similar text: a proxy, not a reader. Chance is one half.
    """
    split = dataset.split
    texts = dataset.item_texts
    about = (texts["title"] + " " + texts["categories"].map(" ".join)).to_dict()
    rng = np.random.default_rng(seed)
    other = users[(np.arange(len(users)) + rng.integers(1, len(users), len(users))) % len(users)]
    said = encode([", ".join(map(plain_name, row)) for row in words], progress=False)
    questions = {
        "training items": lambda u: split.item[split.ptr[u] : split.train_end[u]],
        "next item": lambda u: split.item[[split.test[u]]],
    }
    rows = []
    for question, items_of in questions.items():
        own = encode([_joined(about, items_of(u)) for u in users], progress=False)
        others = encode([_joined(about, items_of(u)) for u in other], progress=False)
        margin = (said * own).sum(1) - (said * others).sum(1)
        agrees = np.where(margin == 0, 0.5, margin > 0)
        rows.append(pd.DataFrame({"question": question, "user": users, "agrees": agrees}))
    return pd.concat(rows, ignore_index=True)


def agreement_table(answers: pd.DataFrame) -> pd.DataFrame:
    """judge, question, agrees (share), its 95 % interval (Wilson), users."""
    from scipy.stats import binomtest

    rows = []
    for question, part in answers.groupby("question", sort=False):
        right = round(float(part["agrees"].sum()))
        interval = binomtest(right, len(part)).proportion_ci(method="wilson")
        rows.append(
            {
                "judge": JUDGE,
                "question": question,
                "agrees": part["agrees"].mean(),
                "low": interval.low,
                "high": interval.high,
                "users": len(part),
            }
        )
    return pd.DataFrame(rows)


def words_table(dataset: Dataset, words: list[list[str]], users: list[int]) -> pd.DataFrame:
    """user, latest training titles, nearest words: what a reader compares; `words` of all users."""
    split = dataset.split
    titles = dataset.item_texts["title"]
    rows = []
    for user in users:
        items = split.item[split.ptr[user] : split.train_end[user]][-3:]
        rows.append(
            {
                "user": user,
                "latest training titles": "; ".join(titles[code] for code in items),
                "nearest words": "; ".join(plain_name(word) for word in words[user]),
            }
        )
    return pd.DataFrame(rows)


def training_table(learned: list[Personas], seeds: list[int]) -> pd.DataFrame:
    """seed, epochs, first loss, last loss, ended, seconds of HDGI's training."""
    rows = []
    for seed, personas in zip(seeds, learned, strict=True):
        run = personas.learned
        rows.append(
            {
                "seed": seed,
                "epochs": len(run.losses),
                "first loss": run.losses[0],
                "lowest loss": min(run.losses),
                "ended": run.ended,
                "seconds": run.seconds,
            }
        )
    return pd.DataFrame(rows)


def attention_table(learned: list[Personas], seeds: list[int]) -> pd.DataFrame:
    """seed, path, beta: attention over meta-paths."""
    rows = []
    for seed, personas in zip(seeds, learned, strict=True):
        betas = personas.learned.betas.tolist()
        rows += [
            {"seed": seed, "path": path, "beta": beta}
            for path, beta in zip(personas.paths, betas, strict=True)
        ]
    return pd.DataFrame(rows)


def map_of(users: Tensor) -> np.ndarray:
    """(n, 2): the two main axes of users' personas (n, d); a plane, so distances in it are distances."""
    from reprolib.papers.persona_kg.items import reduced

    return reduced(users, 2).numpy()


def _joined(about: dict[int, str], items: np.ndarray) -> str:
    return "; ".join(about[code] for code in items.tolist()[-10:])


def milliseconds_of_fold_in(tables: FoldIn, items: list[int], repeats: int = 20) -> float:
    """Median milliseconds of one new user's persona on this machine."""
    import time

    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        tables.persona(items)
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken[1:]))
