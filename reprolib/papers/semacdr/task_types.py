"""What SemaCDR's tasks read and return, and the category names that the embedded annotator knows."""

from pydantic import Field, field_validator

from reprolib.llm.items import Item
from reprolib.llm.task import Given, Record

# What the embedded annotator may call a category, with words that show what is meant.
NAMES = {
    "theme": "what it is about: love, war, nature, history, adventure",
    "mood": "feeling: dark, cosy, joyful, calm, tense",
    "audience": "for whom: children, adults, beginners, families, professionals",
    "setting": "place and time: city, home, space, past, countryside",
    "pace": "speed: fast, slow, steady, quick",
    "style": "manner: classic, modern, simple, elegant, realistic",
    "occasion": "when: holiday, gift, evening, travel, party, breakfast",
    "difficulty": "effort: easy, hard, complex, challenging",
    "purpose": "what for: learning, relaxing, cooking, exercise, work",
    "format": "form and size: short, long, set, collection, large, small",
    "origin": "where from: italian, asian, local, traditional",
    "quality": "how well made: premium, durable, fresh, handmade, reliable",
}


class Category(Record):
    """One category with the labels an item can take in it."""

    name: str
    labels: list[str] = Field(min_length=2)

    @field_validator("labels")
    @classmethod
    def _plain(cls, labels: list[str]) -> list[str]:
        return [" ".join(label.casefold().split()) for label in labels]


class Categories(Record):
    """The categories that both domains share."""

    categories: list[Category]


class DomainPair(Given):
    """Two domains with sample items of each."""

    source: str
    target: str
    source_items: tuple[Item, ...]
    target_items: tuple[Item, ...]
    n_categories: int = Field(8, ge=2, le=len(NAMES))
    n_labels: int = Field(8, ge=2, le=20)


class ItemToLabel(Given):
    """One item and the categories it is to be labelled in."""

    item: Item
    domain: str
    categories: tuple[Category, ...]


class ItemLabels(Record):
    """Labels of one item in every category, and one sentence about it."""

    features: dict[str, list[str]]
    semantic_summary: str


class Enriched(Record):
    """A fuller description of an item in the language of its own domain."""

    description: str
