"""How good an annotator is against the miniature world's ground truth. Frames as in agreement.py."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from reprolib.data.origin import Origin
from reprolib.data.world import read_truth, read_world
from reprolib.llm.complete import complete_many
from reprolib.llm.inputs import events_of, items_of
from reprolib.llm.task_names import task_named
from reprolib.papers.persona4rec.agreement import COLUMNS, _row, _spread
from reprolib.papers.sphere.tasks import Trait

CLEAR = 0.7  # a trait of smaller size is not expected to be told
PERMUTATIONS = 200


def world_origin(world: str | Path, llm) -> Origin:
    """The origin of a comparison with a world's truth: the world, and the annotator that is judged."""
    return Origin(((Path(world).name, 0),), annotators=(llm.label,))


def labels(world: str | Path, domain: str, llm, *, items: int = 100, cache=None) -> pd.DataFrame:
    """Share of items whose facet, and of clear traits whose pole, the labelling task names from title and description.

    By chance = agreement of independent labels at the two rates.
    """
    truth = read_truth(world, "items").filter(pl.col("domain") == domain)
    known, task = items_of(read_world(world, [domain])), task_named("semacdr/labels")
    chosen = [
        row
        for row in truth[_spread(len(truth), items)].iter_rows(named=True)
        if row["item"] in known
    ]
    facets = sorted(truth["facet"].unique())
    traits = read_truth(world, "traits").rows()
    scheme = [
        {"name": "kind", "labels": facets},
        *({"name": t, "labels": [low, high]} for t, low, high in traits),
    ]
    bare = (known[row["item"]].model_copy(update={"categories": ()}) for row in chosen)
    answers = complete_many(
        task, [{"item": i, "domain": domain, "categories": scheme} for i in bare], llm, cache=cache
    )
    said = np.array([a.features["kind"][0] for a in answers])
    real = np.array([row["facet"].casefold() for row in chosen])
    clear = [
        (a.features[t][0] == high, row[t] > 0)
        for a, row in zip(answers, chosen, strict=True)
        for t, _, high in traits
        if abs(row[t]) >= CLEAR
    ]
    rows = [
        _row(domain, task, "facet named", said == real, _independent(said, real)),
        _row(domain, task, "pole of clear traits named", *_hits(clear)),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def user_traits(
    world: str | Path, domain: str, llm, *, users: int = 60, cache=None
) -> pd.DataFrame:
    """Share of a user's clear traits whose sign the persona task gets right, with the world's traits as vocabulary."""
    corpus, task = read_world(world, [domain]), task_named("sphere/persona")
    events = events_of(corpus.interactions, items_of(corpus))
    truth = {row["user"]: row for row in
             read_truth(world, "users").filter(pl.col("domain") == domain).iter_rows(named=True)}  # fmt: skip
    names = sorted(events, key=lambda user: (-len(events[user]), user))
    chosen = [names[i] for i in _spread(len(names), users)]
    typical = tuple(events[names[i]][0].text() for i in _spread(len(names), 40))
    vocabulary = [Trait(id=t, name=t, low_pole=low, high_pole=high, definition="")
                  for t, low, high in read_truth(world, "traits").rows()]  # fmt: skip
    given = [{"vocabulary": vocabulary, "history": events[u], "typical": typical} for u in chosen]
    answers = complete_many(task, given, llm, cache=cache)
    clear = [
        (score.score > 0, truth[u][score.id] > 0)
        for u, a in zip(chosen, answers, strict=True)
        for score in a.traits
        if abs(truth[u][score.id]) >= CLEAR
    ]
    return pd.DataFrame(
        [_row(domain, task, "side of clear traits", *_hits(clear))], columns=COLUMNS
    )


def purity(
    world: str | Path, domain: str, llm, *, items: int = 30, reviews: int = 25, cache=None
) -> pd.DataFrame:
    """Purity of item personas: the share of reviews whose true motive is the most frequent one of their persona.

    Aspects are extracted first, personas are built from them. By chance = the same groups with motives shuffled inside
    the item.
    """
    told = read_world(world, [domain]).interactions.cast(
        {"user": pl.String, "item": pl.String, "domain": pl.String}
    )
    told = told.filter(pl.col("review").is_not_null())
    truth = (
        read_truth(world, "reviews")
        .filter(pl.col("domain") == domain)
        .select("user", "item", "timestamp", "motive")
    )
    told = told.join(truth, on=["user", "item", "timestamp"]).unique(
        ["user", "item"], keep="first", maintain_order=True
    )
    sizes = told.group_by("item", maintain_order=True).len().filter(pl.col("len") >= 8)
    chosen = sizes["item"].to_list()
    chosen = [chosen[i] for i in _spread(len(chosen), items)]
    groups = [told.filter(pl.col("item") == item).head(reviews) for item in chosen]
    kind = "persona4rec/restaurant_aspects" if domain == "restaurants" else "persona4rec/aspects"
    found = complete_many(
        task_named(kind), [{"review": r} for g in groups for r in g["review"]], llm, cache=cache
    )
    filled, given, motives = iter(found), [], []
    for item, group in zip(chosen, groups, strict=True):
        aspects = [next(filled).filled() for _ in range(len(group))]
        numbered = [{"id": n, "aspects": a} for n, a in enumerate(aspects, start=1) if a]
        given.append({"title": item, "summary": "", "reviews": numbered})
        motives.append(np.array(["", *group["motive"]]))
    task = task_named("persona4rec/personas")
    answers = complete_many(task, given, llm, cache=cache)
    random, values, chance = np.random.default_rng(0), [], []
    for answer, motive in zip(answers, motives, strict=True):
        evidence = [p.evidence for p in answer.personas]
        values.append(_purity(evidence, motive))
        chance.append(np.mean([_purity(evidence, np.array(["", *random.permutation(motive[1:])]))
                               for _ in range(PERMUTATIONS)]))  # fmt: skip
    rows = [
        _row(domain, task, "purity of motives", values, float(np.mean(chance))),
        _row(domain, task, "personas per item", [len(a.personas) for a in answers], np.nan),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _purity(evidence: list[list[int]], motive: np.ndarray) -> float:
    top = [np.unique(motive[list(ids)], return_counts=True)[1].max() for ids in evidence if ids]
    return sum(top) / max(sum(len(ids) for ids in evidence), 1)


def _hits(pairs: list[tuple[bool, bool]]) -> tuple[np.ndarray, float]:
    said, real = np.array(pairs, bool).reshape(-1, 2).T
    return said == real, _independent(said, real)


def _independent(said: np.ndarray, real: np.ndarray) -> float:
    """Agreement of labels drawn independently at the two observed rates."""
    return float(sum((said == value).mean() * (real == value).mean() for value in np.unique(real)))
