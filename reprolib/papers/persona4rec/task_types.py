"""What PERSONA4REC's tasks read and return; field names follow the paper's two schemas."""

from typing import Literal

from pydantic import Field, field_validator

from reprolib.llm.items import Event, Item
from reprolib.llm.task import Given, Record

EMPTY_SHARE = 0.75  # a review with a larger share of empty slots is left out (section 3.1)
NOTHING = {"", "null", "none", "n/a", "na", "not mentioned", "not specified", "unknown"}


class Summary(Record):
    """An objective summary of an item."""

    summary: str


class ItemToSummarise(Given):
    """An item with what its metadata say; `attributes` are (name, value) pairs such as those of a Yelp business."""

    item: Item
    kind: Literal["product", "restaurant"] = "product"
    attributes: tuple[tuple[str, str], ...] = ()


class Review(Given):
    """One review."""

    review: str
    title: str = ""


class _Aspects(Record):
    """Slots of one review; None where the review gives no clear evidence."""

    @field_validator("*", mode="before")
    @classmethod
    def _null(cls, value):
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        return None if value is None or str(value).strip().casefold() in NOTHING else str(value)

    def slots(self) -> dict[str, str | None]:
        """The slots without their reasons."""
        return {k: v for k, v in self.model_dump().items() if not k.endswith("_reason")}

    def filled(self) -> dict[str, str]:
        """The slots that hold something."""
        return {k: v for k, v in self.slots().items() if v}

    def mostly_empty(self) -> bool:
        """More than 75 % of the slots are empty: the paper drops such a review."""
        return 1 - len(self.filled()) / len(self.slots()) > EMPTY_SHARE


class ProductAspects(_Aspects):
    """What a review of a product says about its writer (Amazon schema)."""

    category_preference: str | None = None
    category_preference_reason: str | None = None
    purchase_purpose: str | None = None
    purchase_purpose_reason: str | None = None
    quality_criteria: str | None = None
    quality_criteria_reason: str | None = None
    usage_context: str | None = None
    usage_context_reason: str | None = None


class RestaurantAspects(_Aspects):
    """What a review of a restaurant says about its writer (Yelp schema)."""

    cuisine_category: str | None = None
    cuisine_category_reason: str | None = None
    specific_dishes_or_attributes: str | None = None
    visit_purpose: str | None = None
    visit_purpose_reason: str | None = None
    quality_criteria: str | None = None
    visit_context: str | None = None
    visit_context_reason: str | None = None


class ReviewAspects(Given):
    """The filled slots of one review, under the number that evidence points to."""

    id: int
    aspects: dict[str, str]
    rating: float | None = None


class ItemReviews(Given):
    """An item with the aspects of its training reviews."""

    title: str
    summary: str
    reviews: tuple[ReviewAspects, ...] = Field(min_length=1)


class ItemPersona(Record):
    """A kind of user who chooses the item, with the reviews that show it."""

    id: str
    name: str
    description: str
    preference_rationale: str
    evidence: list[int]

    def text(self) -> str:
        """Name, description and rationale, for encoding (equation 8)."""
        return f"{self.name}. {self.description} {self.preference_rationale}"


class ItemPersonas(Record):
    """Two to seven personas of one item; one where the item has a single review."""

    personas: list[ItemPersona]


class UserAndItem(Given):
    """What a user did before, and the personas of the item that was taken next."""

    history: tuple[Event, ...] = Field(min_length=1)
    target: str
    personas: tuple[ItemPersona, ...] = Field(min_length=1)


class Selection(Record):
    """The persona that fits the user, and why."""

    reasoning: str
    persona_id: str
