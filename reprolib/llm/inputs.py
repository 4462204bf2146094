"""From a Corpus to the pieces of task inputs. That a model sees training events only is for the caller to see to."""

import polars as pl

from reprolib.data.corpus import Corpus
from reprolib.data.dataset import Dataset
from reprolib.llm.items import Event, Item

EVENTS = 50  # latest events of a user that a prompt may show


def items_of(corpus: Corpus, domain: str | None = None) -> dict[str, Item]:
    """Items by id, of one domain or of all (an id that stands in two domains keeps the last)."""
    frame = corpus.items
    if domain is not None:
        frame = frame.filter(pl.col("domain").cast(pl.String) == domain)
    items = {}
    for row in frame.cast({"item": pl.String}).iter_rows(named=True):
        items[row["item"]] = Item(
            title=row["title"] or row["item"],
            creator=row["creator"] or "",
            categories=tuple(row["categories"] or ()),
            description=row["description"] or "",
        )
    return items


def items_by_code(dataset: Dataset) -> dict[int, Item]:
    """Every item of a data set by its code; an item without a title is called by its id."""
    names = dataset.split.items
    items = {}
    for row in dataset.item_texts.itertuples():
        title = row.title or str(names[row.Index - 1])
        categories = tuple(row.categories)
        items[row.Index] = Item(
            title=title, creator=row.creator, categories=categories, description=row.description
        )
    return items


def events_of(interactions: pl.DataFrame, items: dict[str, Item]) -> dict[str, tuple[Event, ...]]:
    """Each user's latest EVENTS events, the latest last, with the items' titles and creators.

    interactions  with the columns of `Corpus.interactions`; items by id, an item that is absent is called by its id
    """
    by_user: dict[str, list[Event]] = {}
    frame = interactions.cast({"user": pl.String, "item": pl.String}).sort(
        "timestamp", maintain_order=True
    )
    for user, item, rating, review in frame.select("user", "item", "rating", "review").iter_rows():
        about = items.get(item) or Item(title=item)
        event = Event(title=about.title, creator=about.creator, rating=rating, review=review or "")
        by_user.setdefault(user, []).append(event)
    return {user: tuple(events[-EVENTS:]) for user, events in by_user.items()}
