"""Validators that several tasks share. Each returns sentences about what is wrong; none loads a model."""

import re
from collections.abc import Iterable
from functools import lru_cache

COMMON = 4  # a one-word term shorter than this is never banned: it would hit ordinary words


def too_long(name: str, text: str, most: int) -> list[str]:
    """A sentence when the text has more than `most` words."""
    n = len(text.split())
    return [f"{name} has {n} words, at most {most} are allowed"] if n > most else []


def empty(name: str, text: str) -> list[str]:
    """A sentence when there is no text."""
    return [] if text.strip() else [f"{name} is empty"]


def repeated(name: str, values: Iterable) -> list[str]:
    """A sentence that names the first value that stands twice."""
    seen = set()
    for value in values:
        plain = value.casefold() if isinstance(value, str) else value
        if plain in seen:
            return [f"{name} {value!r} stands twice"]
        seen.add(plain)
    return []


def unknown(name: str, values: Iterable, allowed: Iterable) -> list[str]:
    """A sentence that names values outside `allowed`."""
    extra = sorted({str(v) for v in values} - {str(a) for a in allowed})
    return [f"{name} {', '.join(extra[:3])} is not among those given"] if extra else []


def banned_in(text: str, terms: Iterable[str]) -> list[str]:
    """The banned terms that a text uses, each once.

    A lower-case word and a term of three or more words are matched in any case, with a plural s. A capitalised term of
    two words is matched as it is written, one of a single word (a title such as "Control") only inside a sentence:
    the same words are also ordinary language.
    """
    hits = []
    for term in dict.fromkeys(" ".join(t.split()) for t in terms):
        if len(term) >= COMMON and _pattern(term).search(text):
            hits.append(term)
    return hits


def without_sentences(text: str, terms: Iterable[str]) -> str:
    """The text without the sentences that use a banned term."""
    terms = list(terms)
    parts = re.split(r"(?<=[.!?])\s+", text.strip())
    return " ".join(part for part in parts if not banned_in(part, terms))


def overlap(a: str, b: str) -> float:
    """Jaccard overlap of the content words of two texts, 0 to 1."""
    left, right = (set(re.findall(r"[a-z]{4,}", t.casefold())) for t in (a, b))
    return len(left & right) / len(left | right) if left | right else 0.0


@lru_cache(maxsize=20_000)
def _pattern(term: str) -> re.Pattern:
    if " " not in term and term[0].isupper():
        return re.compile(rf"(?<=[a-z,;:] )[\"'“]?{re.escape(term)}\b")
    proper = term[0].isupper() and term.count(" ") == 1
    return re.compile(rf"(?<!\w){re.escape(term)}(?:s|es)?(?!\w)", 0 if proper else re.IGNORECASE)
