"""How good an annotator is against the miniature world's ground truth. Frames as in agreement.py."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from reprolib.data.origin import Origin
from reprolib.data.world import read_truth, read_world
from reprolib.llm.complete import complete_many
from reprolib.llm.inputs import events_of, items_of
from reprolib.llm.task import BackEnd
from reprolib.llm.task_names import task_named
from reprolib.papers.persona4rec.agreement import COLUMNS, _row, _spread
from reprolib.papers.sphere.tasks import Trait

REVIEWS = 25  # reviews of an item that its personas are made of
CLEAR = 0.7  # a trait of smaller size is not expected to be told
PERMUTATIONS = 200


def world_origin(world: str | Path, llm: BackEnd) -> Origin:
    """The origin of a comparison with a world's truth: the world, and the annotator that is judged."""
    return Origin(((Path(world).name, 0),), annotators=(llm.label,))


def labels(world: str | Path, domain: str, llm: BackEnd, *, items: int = 100) -> pd.DataFrame:
    """Share of items whose facet, and of clear traits whose pole, the labelling task names from title and description.

    world  folder of the miniature world;  items: how many are labelled, spread over the domain
    Returns the columns COLUMNS of persona4rec's agreement, one row per measure.
    By chance = agreement of independent labels at the two rates.
    """
    truth = read_truth(world, "items").filter(pl.col("domain") == domain)
    by_id = items_of(read_world(world, [domain]))
    task = task_named("semacdr/labels")
    spread = truth[_spread(len(truth), items)].iter_rows(named=True)
    chosen = [row for row in spread if row["item"] in by_id]
    facets = sorted(truth["facet"].unique())
    traits = read_truth(world, "traits").rows()
    scheme = [
        {"name": "kind", "labels": facets},
        *({"name": t, "labels": [low, high]} for t, low, high in traits),
    ]
    bare = (by_id[row["item"]].model_copy(update={"categories": ()}) for row in chosen)
    questions = [{"item": item, "domain": domain, "categories": scheme} for item in bare]
    answers = complete_many(task, questions, llm)
    named = np.array([answer.features["kind"][0] for answer in answers])
    facet = np.array([row["facet"].casefold() for row in chosen])
    clear = []
    for answer, row in zip(answers, chosen, strict=True):
        for trait, _, high in traits:
            if abs(row[trait]) >= CLEAR:
                clear.append((answer.features[trait][0] == high, row[trait] > 0))
    rows = [
        _row(domain, task, "facet named", named == facet, _independent(named, facet)),
        _row(domain, task, "pole of clear traits named", *_hits(clear)),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def user_traits(world: str | Path, domain: str, llm: BackEnd, *, users: int = 60) -> pd.DataFrame:
    """Share of a user's clear traits whose sign the persona task gets right, with the world's traits as vocabulary.

    users  how many are asked about, spread from the longest history to the shortest. Returns a frame as `labels` does.
    """
    corpus = read_world(world, [domain])
    task = task_named("sphere/persona")
    events = events_of(corpus.interactions, items_of(corpus))
    true_users = read_truth(world, "users").filter(pl.col("domain") == domain)
    truth = {row["user"]: row for row in true_users.iter_rows(named=True)}
    names = sorted(events, key=lambda user: (-len(events[user]), user))
    chosen = [names[i] for i in _spread(len(names), users)]
    typical = tuple(events[names[i]][0].text() for i in _spread(len(names), 40))
    vocabulary = [
        Trait(id=name, name=name, low_pole=low, high_pole=high, definition="")
        for name, low, high in read_truth(world, "traits").rows()
    ]
    questions = [
        {"vocabulary": vocabulary, "history": events[user], "typical": typical} for user in chosen
    ]
    answers = complete_many(task, questions, llm)
    clear = []
    for user, answer in zip(chosen, answers, strict=True):
        for trait in answer.traits:
            true_score = truth[user][trait.id]
            if abs(true_score) >= CLEAR:
                clear.append((trait.score > 0, true_score > 0))
    row = _row(domain, task, "side of clear traits", *_hits(clear))
    return pd.DataFrame([row], columns=COLUMNS)


def purity(world: str | Path, domain: str, llm: BackEnd, *, items: int = 30) -> pd.DataFrame:
    """Purity of item personas: the share of reviews whose true motive is the most frequent one of their persona.

    Aspects are extracted first, personas are built from them. By chance = the same groups with motives shuffled inside
    the item.

    items  how many, spread over the items with at least 8 reviews. Returns a frame as `labels` does.
    """
    reviews = read_world(world, [domain]).interactions.cast(
        {"user": pl.String, "item": pl.String, "domain": pl.String}
    )
    reviews = reviews.filter(pl.col("review").is_not_null())
    truth = (
        read_truth(world, "reviews")
        .filter(pl.col("domain") == domain)
        .select("user", "item", "timestamp", "motive")
    )
    reviews = reviews.join(truth, on=["user", "item", "timestamp"]).unique(
        ["user", "item"], keep="first", maintain_order=True
    )
    sizes = reviews.group_by("item", maintain_order=True).len().filter(pl.col("len") >= 8)
    chosen = sizes["item"].to_list()
    chosen = [chosen[i] for i in _spread(len(chosen), items)]
    groups = [reviews.filter(pl.col("item") == item).head(REVIEWS) for item in chosen]
    kind = "persona4rec/restaurant_aspects" if domain == "restaurants" else "persona4rec/aspects"
    texts = []
    for group in groups:
        texts += [{"review": text} for text in group["review"]]
    extracted = iter(complete_many(task_named(kind), texts, llm))
    questions = []
    motives = []
    for item, group in zip(chosen, groups, strict=True):
        aspects = [next(extracted).filled() for _ in range(len(group))]
        numbered = [{"id": n, "aspects": a} for n, a in enumerate(aspects, start=1) if a]
        questions.append({"title": item, "summary": "", "reviews": numbered})
        motives.append(np.array(["", *group["motive"]]))
    task = task_named("persona4rec/personas")
    answers = complete_many(task, questions, llm)
    random = np.random.default_rng(0)
    values = []
    chance = []
    for answer, motive in zip(answers, motives, strict=True):
        evidence = [p.evidence for p in answer.personas]
        values.append(_purity(evidence, motive))
        shuffled = []
        for _ in range(PERMUTATIONS):
            mixed = np.array(["", *random.permutation(motive[1:])])
            shuffled.append(_purity(evidence, mixed))
        chance.append(np.mean(shuffled))
    rows = [
        _row(domain, task, "purity of motives", values, float(np.mean(chance))),
        _row(domain, task, "personas per item", [len(a.personas) for a in answers], np.nan),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _purity(evidence: list[list[int]], motive: np.ndarray) -> float:
    top = [np.unique(motive[list(ids)], return_counts=True)[1].max() for ids in evidence if ids]
    return sum(top) / max(sum(len(ids) for ids in evidence), 1)


def _hits(pairs: list[tuple[bool, bool]]) -> tuple[np.ndarray, float]:
    answered, real = np.array(pairs, bool).reshape(-1, 2).T
    return answered == real, _independent(answered, real)


def _independent(answered: np.ndarray, real: np.ndarray) -> float:
    """Agreement of labels drawn independently at the two observed rates."""
    rates = [(answered == value).mean() * (real == value).mean() for value in np.unique(real)]
    return float(sum(rates))
