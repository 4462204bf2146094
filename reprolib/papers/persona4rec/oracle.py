"""The offline stage as an annotator without errors would leave it, and one that mixes items up: controls.

The truth is known of a miniature world only: which trait of an item made a user choose it, and which one the review is
about. Not in the paper.
"""

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.data.datasets import world_truth
from reprolib.data.origin import Origin
from reprolib.llm.controls import mixed_up, oracle_label
from reprolib.papers.persona4rec.align import COLUMNS, training_cases
from reprolib.papers.persona4rec.offline import Offline
from reprolib.papers.persona4rec.texts import interaction_text, persona_text


def true_offline(dataset: Dataset, share: float) -> Offline:
    """Summaries, events and personas from the world's truth.

    share  of items whose summary and personas are their own; every other item has those of another
    An item's personas are the motives of its training events, those with most events first; an event's text is the
    item's facet and the user's motive. Raises DataError on data that are no miniature world.
    """
    items = _true_items(dataset)
    events = dataset.training_events.drop(columns="review")
    events["motive"] = _true_motives(dataset, events)
    described = 1 + mixed_up(dataset.split.ranges, share)[items["item"] - 1]  # item code
    facet = items.set_index("item")["facet"]
    title = dataset.item_texts["title"]
    summaries = pd.DataFrame(
        {
            "item": items["item"],
            "title": title[items["item"]].to_numpy(),
            "summary": [f"Of the kind {facet[code]}." for code in described],
        }
    )
    summary_of = dict(zip(summaries["item"], summaries["summary"], strict=True))
    events["aspects"] = [{"motive": f"Wants what is {motive}."} for motive in events["motive"]]
    events["text"] = [
        interaction_text(summary_of[item], aspects)
        for item, aspects in zip(events["item"], events["aspects"], strict=True)
    ]
    personas = _personas(events, dict(zip(items["item"], described, strict=True)))
    label = oracle_label(share)
    origin = dataset.origin | Origin(annotators=(label,))
    return Offline(summaries, events.drop(columns="motive"), personas, label, 0, {}, origin)


def true_pairs(offline: Offline, per_user: int) -> pd.DataFrame:
    """What the judge would say: each training event of an item with the persona that the event is evidence of.

    An item with the personas of another has no such persona; its events are left out.
    """
    cases = training_cases(offline, per_user)
    start, _ = offline.before(cases)
    cases["row"] = start + cases["earlier"]
    owner = {
        (item, row): persona
        for item, persona, evidence in offline.personas[["item", "persona", "evidence"]].itertuples(
            index=False
        )
        for row in evidence
    }
    chosen = [owner.get(key, 0) for key in cases[["item", "row"]].itertuples(index=False)]
    pairs = cases.assign(persona=chosen, reasoning="")[COLUMNS]
    return pairs[pairs["persona"] > 0].reset_index(drop=True)


def _true_items(dataset: Dataset) -> pd.DataFrame:
    """item (code), facet of every item that may be recommended."""
    split = dataset.split
    first, last = split.candidates
    truth = world_truth(dataset.name, "items").to_pandas().set_index(["domain", "item"])
    codes = np.arange(first, last + 1)
    keys = [(split.target, str(item)) for item in split.items[first - 1 : last]]
    return pd.DataFrame({"item": codes, "facet": truth.loc[keys, "facet"].to_numpy()})


def _true_motives(dataset: Dataset, events: pd.DataFrame) -> list[str]:
    """The trait that made each training event's user choose its item."""
    split = dataset.split
    told = world_truth(dataset.name, "reviews").to_pandas()
    told = told[told["domain"] == split.target].drop_duplicates(["user", "item"])
    motive = told.set_index(["user", "item"])["motive"]
    users = split.users[events["user"]].astype(str)
    items = split.items[events["item"] - 1].astype(str)
    return motive.loc[list(zip(users, items, strict=True))].tolist()


def _personas(events: pd.DataFrame, described: dict[int, int]) -> pd.DataFrame:
    """As `Offline.personas`: of every item those of the item that describes it; evidence stays with its own events."""
    by_item: dict[int, list[tuple[str, np.ndarray]]] = {}
    for item, part in events.groupby("item", sort=True):
        order = part["motive"].value_counts(sort=True).index
        by_item[item] = [(m, part.index[part["motive"] == m].to_numpy()) for m in order]
    rows = []
    for item, other in sorted(described.items()):
        for number, (motive, evidence) in enumerate(by_item.get(other, ()), start=1):
            text = f"Wants what is {motive}."
            rows.append(
                (
                    item,
                    number,
                    motive,
                    text,
                    "",
                    tuple(map(int, evidence)),
                    persona_text(motive, text, ""),
                )
            )
    return pd.DataFrame(
        rows, columns=["item", "persona", "name", "description", "rationale", "evidence", "text"]
    )
