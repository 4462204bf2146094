"""Persona-KG: the text of an item that is encoded and put into the graph and the recommender."""

from reprolib.llm.checks import empty, too_long
from reprolib.llm.embedded import Annotator
from reprolib.llm.items import DomainItem, item_block
from reprolib.llm.task import Record, Task, form


class ItemText(Record):
    """The text that stands for an item."""

    text: str


def _prompt(given: DomainItem) -> str:
    return (
        f"Say in at most 60 words what this item of the domain {given.domain} is: its subject, its kind, who made "
        f"it and "
        "what sets it apart. Facts only, no praise. The text will be compared with texts of other items.\n\n"
        f"{item_block(given.item)}\n\n{form(ItemText, {'text': '...'})}"
    )


def _check(given: DomainItem, output: ItemText) -> list[str]:
    return empty("text", output.text) + too_long("text", output.text, 80)


def _rule(given: DomainItem, tools: Annotator) -> ItemText:
    """The plain template: title; creator; categories; first 256 characters of the description."""
    from reprolib.llm.embedded import words

    return ItemText(text=words(given.item.text(256), 75))


TASKS = (
    Task(
        name="persona_kg/item_text",
        version=1,
        about="an item's text for embedding",
        input=DomainItem,
        output=ItemText,
        prompt=_prompt,
        check=_check,
        rule=_rule,
        reads=lambda g: [],
        max_tokens=200,
    ),
)
