"""What the text rerankers read: training events and item metadata. They never see a validation or test event."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.llm.inputs import items_by_code
from reprolib.llm.items import Event, Item
from reprolib.llm.task import clip

SHORT = 100  # characters that a history tells of an item beside its title


@dataclass(frozen=True)
class Material:
    """events  user, item, time, rating, review: training events by user and time;  items  by code."""

    events: pd.DataFrame
    items: dict[int, Item]

    @cached_property
    def rows(self) -> dict[int, np.ndarray]:
        """Positions in `events` by user, the latest last."""
        return self.events.groupby("user", sort=False).indices

    @cached_property
    def described(self) -> list[Event]:
        """One Event per training event: title, what the metadata say in short, rating; without the review."""
        events = []
        for code, stars in self.events[["item", "rating"]].itertuples(index=False):
            item = self.items[code]
            rating = None if pd.isna(stars) else float(stars)
            events.append(Event(title=item.title, summary=short(item), rating=rating))
        return events

    def histories(self, users: Sequence[int], most: int) -> list[tuple[Event, ...]]:
        """The latest `most` events of each user, the latest last; () for a user without training events."""
        histories = []
        for user in users:
            rows = self.rows.get(int(user), ())[-most:]
            histories.append(tuple(self.described[row] for row in rows))
        return histories


def material_of(dataset: Dataset) -> Material:
    """Training events with reviews, and the items that may be recommended, by code."""
    first, last = dataset.split.candidates
    items = {code: item for code, item in items_by_code(dataset).items() if first <= code <= last}
    return Material(dataset.training_events, items)


def short(item: Item) -> str:
    """Categories and the beginning of the description, without the title, SHORT characters in all."""
    parts = (", ".join(item.categories[1:]), item.description)
    return clip("; ".join(part for part in parts if part), SHORT)


def name(item: Item) -> str:
    """Title with up to two categories beside the catalogue's first, as a short prompt names an item."""
    categories = item.categories[1:3]
    if not categories:
        return item.title
    return f"{item.title} ({', '.join(categories)})"
