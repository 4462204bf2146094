"""The words of the world, read from words/*.yaml. Poles are numbered 2 t (low) and 2 t + 1 (high)."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from reprolib.data.world.domains import FACETS, TRAITS


@dataclass(frozen=True)
class Pole:
    """One end of a trait. See words/traits.yaml for the lists."""

    name: str
    words: list[str]
    wants: list[str]
    does: list[str]
    occasions: list[str]
    about: list[str]


@dataclass(frozen=True)
class Vocabulary:
    """The words of one domain: per facet its name, nouns and themes; per pole its phrases."""

    root: str
    things: list[str]
    sizes: list[str]
    tails: list[str]
    titles: list[str]
    blurbs: list[str]
    occasions: list[str]
    facets: list[str]
    nouns: list[list[str]]
    themes: list[list[str]]
    phrases: list[list[str]]


@cache
def load(name: str) -> dict:
    """One YAML file of the vocabulary."""
    text = (files("reprolib.data.world") / "words" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(
        text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )  # the C parser is 10 times faster


def split(text: str, mark: str = ",") -> list[str]:
    """The parts of a list that is written as one line."""
    return [part.strip() for part in text.split(mark)]


@cache
def traits() -> list[tuple[str, str, str]]:
    """(trait, name of the low pole, name of the high pole), in the order of the latent dimensions."""
    named = [(trait, *poles) for trait, poles in load("traits").items()]
    assert len(named) == TRAITS
    return named


@cache
def poles() -> list[Pole]:
    """The 2 T poles."""
    return [
        Pole(
            name,
            split(pole["words"]),
            split(pole["wants"], ";"),
            split(pole["does"], ";"),
            split(pole["for"], ";"),
            split(pole["about"]),
        )
        for trait in load("traits").values()
        for name, pole in trait.items()
    ]


@cache
def vocabulary(name: str) -> Vocabulary:
    """The words of one domain."""
    raw = load(name)
    assert len(raw["facets"]) == FACETS
    assert list(raw["traits"]) == [pole.name for pole in poles()]
    return Vocabulary(
        root=raw["root"],
        things=split(raw["things"]),
        sizes=split(raw["sizes"]),
        tails=split(raw.get("brand_tail", "")),
        titles=split(raw["titles"], ";"),
        blurbs=split(raw["blurbs"], ";"),
        occasions=split(raw["occasions"]),
        facets=list(raw["facets"]),
        nouns=[split(facet["nouns"]) for facet in raw["facets"].values()],
        themes=[split(facet["themes"]) for facet in raw["facets"].values()],
        phrases=[split(phrases) for phrases in raw["traits"].values()],
    )
