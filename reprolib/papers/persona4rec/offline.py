"""The offline stage: item summaries (Eq. 1), aspects of reviews (Eq. 2), item personas (Eq. 3); training events only.

A profile (Eq. 4) is no text of its own: it is the rows of `interactions` that belong to a user.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.data.origin import Origin
from reprolib.llm import Task, complete_many, open_llm
from reprolib.papers.persona4rec.tasks import ASPECTS, PERSONAS, RESTAURANT_ASPECTS, SUMMARY
from reprolib.papers.persona4rec.texts import interaction_text, persona_text
from reprolib.rerankers.histories import material_of

MOST_REVIEWS = 150  # of one item; the latest are read, as many as the persona prompt shows
RESTAURANTS = ("restaurant", "yelp")  # domains whose reviews fill the Yelp schema
POOLED_VALUES = 5  # most frequent values of a slot that a single persona is made of


@dataclass(frozen=True)
class Offline:
    """What the offline stage leaves. Users and items are codes of the split.

    summaries     item, title, summary: every item that may be recommended
    interactions  user, item, time, rating, aspects (dict), text: training events, by user and time
    personas      item, persona (1..K), name, description, rationale, evidence (rows of interactions), text
    annotator     who wrote the texts; calls: how many answers it gave; failed: {task: inputs without an answer}
    """

    summaries: pd.DataFrame
    interactions: pd.DataFrame
    personas: pd.DataFrame
    annotator: str
    calls: int
    failed: dict[str, int] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)

    def user_ptr(self, n_users: int) -> np.ndarray:
        """(n_users + 1,) pointers into `interactions`."""
        return np.searchsorted(self.interactions["user"].to_numpy(), np.arange(n_users + 1))

    def before(self, cases: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Slices start:end of `interactions`: the first `earlier` events of each case's user."""
        start = self.interactions["user"].searchsorted(cases["user"].to_numpy())
        return start, start + cases["earlier"].to_numpy()

    def titles(self) -> dict[int, str]:
        """Title by item code."""
        return dict(zip(self.summaries["item"], self.summaries["title"], strict=True))


def build(
    dataset: Dataset,
    *,
    annotator: str = "embedded",
    cache: str | Path | None = None,
    progress: bool = True,
) -> Offline:
    """The offline stage of a data set.

    annotator  as `reprolib.llm.open_llm` takes it. Answers are kept in the LLM cache: a second call reads them back,
               an interrupted one goes on. An input that stays without an answer is counted in `failed`: the summary
               is then the item's metadata, the review has no aspects, the item no personas.
    """
    return annotate(dataset, open_llm(annotator, cache=cache), cache, progress)


def annotate(
    dataset: Dataset, llm, cache: str | Path | None = None, progress: bool = True
) -> Offline:
    """`build` with a back end of `open_llm` at hand."""
    ask = Asking(llm, cache, progress)
    events = dataset.training_events.copy()
    restaurant = any(word in dataset.split.target.lower() for word in RESTAURANTS)
    summaries = _summaries(dataset, ask, "restaurant" if restaurant else "product")
    events["aspects"] = _aspects(events["review"].to_list(), ask, restaurant)
    summary_of = dict(zip(summaries["item"], summaries["summary"], strict=True))
    events["text"] = [
        interaction_text(summary_of[item], aspects)
        for item, aspects in zip(events["item"], events["aspects"], strict=True)
    ]
    personas = make_personas(summaries, events, ask)
    origin = dataset.origin | Origin(annotators=(llm.label,))
    events = events.drop(columns="review")
    return Offline(summaries, events, personas, llm.label, ask.calls, ask.failed, origin)


class Asking:
    """One annotator, and the count of what it answered and did not."""

    def __init__(self, llm, cache: str | Path | None = None, progress: bool = True):
        self.llm, self.cache, self.progress = llm, cache, progress
        self.calls, self.failed = 0, {}

    def __call__(self, task: Task, inputs: Sequence) -> list:
        """One answer per input, None where there is none; equal inputs count once."""
        answers = complete_many(
            task, inputs, self.llm, cache=self.cache, on_failure="return", progress=self.progress
        )
        self.calls += len({id(a) for a in answers})
        lost = sum(not a for a in answers)
        if lost:
            self.failed[task.name] = self.failed.get(task.name, 0) + lost
        return [a or None for a in answers]


def _summaries(dataset: Dataset, ask: Asking, kind: str) -> pd.DataFrame:
    items = material_of(dataset).items
    answers = ask(SUMMARY, [{"item": item, "kind": kind} for item in items.values()])
    summaries = [
        answer.summary if answer else item.text()
        for answer, item in zip(answers, items.values(), strict=True)
    ]
    titles = [item.title for item in items.values()]
    return pd.DataFrame({"item": list(items), "title": titles, "summary": summaries})


def _aspects(reviews: list[str], ask: Asking, restaurant: bool) -> list[dict[str, str]]:
    """Filled slots per review; {} where there is no review, or where more than 75 % of the slots stay empty."""
    rows = [row for row, review in enumerate(reviews) if review.strip()]
    task = RESTAURANT_ASPECTS if restaurant else ASPECTS
    found: list[dict] = [{} for _ in reviews]
    for row, answer in zip(
        rows, ask(task, [{"review": reviews[row]} for row in rows]), strict=True
    ):
        if answer is not None and not answer.mostly_empty():
            found[row] = answer.filled()
    return found


def make_personas(
    summaries: pd.DataFrame, events: pd.DataFrame, ask: Asking, single: bool = False
) -> pd.DataFrame:
    """Personas of the items that have a review with aspects, as in `Offline.personas`.

    events  item, time, rating, aspects of training events
    single  one persona per item, from the pooled aspects of its reviews: the comparison of figure 6
    """
    told = events[[bool(a) for a in events["aspects"]]].sort_values(["item", "time"], kind="stable")
    about = summaries.set_index("item")
    rows, given = [], []
    for item, part in told.groupby("item", sort=True):
        part = part.tail(MOST_REVIEWS)
        reviews = [
            {"id": n, "aspects": aspects, "rating": None if pd.isna(rating) else float(rating)}
            for n, (aspects, rating) in enumerate(
                zip(part["aspects"], part["rating"], strict=True), start=1
            )
        ]
        if single:
            reviews = [{"id": 1, "aspects": _pooled(part["aspects"]), "rating": None}]
        rows.append((item, part.index.to_numpy()))
        given.append(
            {"title": about["title"][item], "summary": about["summary"][item], "reviews": reviews}
        )
    found = []
    for (item, behind), answer in zip(rows, ask(PERSONAS, given), strict=True):
        for number, p in enumerate(answer.personas if answer else (), start=1):
            evidence = behind if single else behind[np.array(sorted(set(p.evidence))) - 1]
            found.append(
                (
                    item,
                    number,
                    p.name,
                    p.description,
                    p.preference_rationale,
                    tuple(map(int, evidence)),
                    persona_text(p.name, p.description, p.preference_rationale),
                )
            )
    return pd.DataFrame(
        found, columns=["item", "persona", "name", "description", "rationale", "evidence", "text"]
    )


def single_personas(
    offline: Offline,
    items: Sequence[int],
    *,
    annotator: str = "embedded",
    cache: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """One persona for each of these items instead of several, made by the same task."""
    ask = Asking(open_llm(annotator, cache=cache), cache, progress)
    events = offline.interactions[offline.interactions["item"].isin(items)]
    return make_personas(offline.summaries, events, ask, single=True)


def items_with_personas(offline: Offline, least: int = 1) -> list[int]:
    """Codes of the items with at least so many personas."""
    counts = offline.personas.groupby("item").size()
    return counts.index[counts >= least].tolist()


def _pooled(aspects: Sequence[dict[str, str]]) -> dict[str, str]:
    """Per slot its most frequent values over all reviews, in one line."""
    values: dict[str, list[str]] = {}
    for review in aspects:
        for slot, value in review.items():
            values.setdefault(slot, []).append(value.rstrip(" ."))
    return {
        slot: "; ".join(pd.Series(told).value_counts(sort=True).index[:POOLED_VALUES])
        for slot, told in values.items()
    }
