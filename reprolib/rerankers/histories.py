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
    def told(self) -> list[Event]:
        """One Event per training event: title, what the metadata say in short, rating; without the review."""
        pieces = self.events[["item", "rating"]].itertuples(index=False)
        return [
            Event(
                title=self.items[i].title,
                summary=short(self.items[i]),
                rating=None if pd.isna(r) else float(r),
            )
            for i, r in pieces
        ]

    def histories(self, users: Sequence[int], most: int) -> list[tuple[Event, ...]]:
        """The latest `most` events of each user, the latest last; () for a user without training events."""
        return [
            tuple(self.told[row] for row in self.rows.get(int(user), ())[-most:]) for user in users
        ]


def material_of(dataset: Dataset) -> Material:
    """Training events with reviews, and the items that may be recommended, by code."""
    first, last = dataset.split.candidates
    items = {code: item for code, item in items_by_code(dataset).items() if first <= code <= last}
    return Material(dataset.training_events, items)


def short(item: Item, limit: int = 100) -> str:
    """Categories and the beginning of the description, without the title."""
    return clip(
        "; ".join(part for part in (", ".join(item.categories[1:]), item.description) if part),
        limit,
    )


def name(item: Item) -> str:
    """Title with up to two categories beside the catalogue's first, as a short prompt names an item."""
    return (
        f"{item.title} ({', '.join(item.categories[1:3])})" if item.categories[1:3] else item.title
    )
