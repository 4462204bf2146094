"""The two texts that the encoder reads. Training, index and serving take them from here, so that they cannot differ."""

from collections.abc import Mapping


def persona_text(name: str, description: str, rationale: str) -> str:
    """What is encoded of a persona (Eq. 8): name, description, rationale."""
    return " ".join(part for part in (f"{name}.", description, rationale) if part.strip(" ."))


def aspects_text(aspects: Mapping[str, str]) -> str:
    """The filled slots of one review as sentences, in the schema's order, without the slots' names."""
    return " ".join(_sentence(value) for value in aspects.values() if value.strip())


def interaction_text(summary: str, aspects: Mapping[str, str]) -> str:
    """What is encoded of one interaction (Eq. 6): the item's summary, then the aspects of this user's review.

    An interaction without usable review is its item's summary; one of an item without summary its aspects.
    """
    return " ".join(part for part in (_sentence(summary), aspects_text(aspects)) if part)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".!?…" else f"{text}."
