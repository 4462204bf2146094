"""Input pieces and wording that the tasks of several papers share."""

from collections.abc import Iterable

from pydantic import Field

from reprolib.llm.task import Given, Record, block, clip

FIELD = 1500  # characters of a description that a prompt shows


class Item(Given):
    """One item as its metadata tell it."""

    title: str
    creator: str = ""
    categories: tuple[str, ...] = ()
    description: str = ""

    def text(self, limit: int = 256) -> str:
        """Title; creator; categories; the first `limit` characters of the description."""
        parts = (
            self.title,
            self.creator,
            ", ".join(self.categories),
            clip(self.description, limit),
        )
        return "; ".join(part.strip() for part in parts if part.strip())


class DomainItem(Given):
    """One item of one domain."""

    item: Item
    domain: str


class Event(Given):
    """One thing a user did: an item, with what was written about it and how it was liked."""

    title: str
    creator: str = ""
    summary: str = ""
    review: str = ""
    rating: float | None = None

    @property
    def liked(self) -> bool:
        """Rated 4 or better, or not rated at all."""
        return self.rating is None or self.rating >= 4

    def text(self, limit: int = 400) -> str:
        """Title, summary and review in one text of at most `limit` characters."""
        return clip(
            ". ".join(part for part in (self.title, self.summary, self.review) if part.strip()),
            limit,
        )


class LogProbs(Record):
    """Log-probability of each choice as the next token."""

    log_probs: dict[str, float] = Field(min_length=2)

    def share(self) -> dict[str, float]:
        """Probabilities over the choices alone; they sum to 1."""
        import math

        top = max(self.log_probs.values())
        raw = {choice: math.exp(value - top) for choice, value in self.log_probs.items()}
        return {choice: value / sum(raw.values()) for choice, value in raw.items()}

    def log_odds(self) -> float:
        """log p(Yes) - log p(No): the score of `rerank/pointwise`."""
        return self.log_probs["Yes"] - self.log_probs["No"]

    def expected_rating(self) -> float:
        """Sum of rating times probability: the score of `rerank/rating`."""
        return sum(int(digit) * p for digit, p in self.share().items())


def item_block(item: Item) -> str:
    """An item's fields for a prompt, empty ones left out, each cut at FIELD characters."""
    fields = {
        "title": item.title,
        "creator": item.creator,
        "categories": " > ".join(item.categories),
        "description": item.description,
    }
    lines = [f"{name}: {clip(value, FIELD)}" for name, value in fields.items() if value]
    return block("item", "\n".join(lines), 2 * FIELD)


def numbered(texts: Iterable[str], limit: int = 200, most: int = 60) -> str:
    """ "1. text" lines, at most `most` of them, each cut at `limit` characters."""
    return "\n".join(
        f"{i}. {clip(text, limit)}" for i, text in enumerate(list(texts)[:most], start=1)
    )
