"""Titles, descriptions, names and reviews out of the vocabulary. Nothing latent is decided here, only worded.

`text` is the share of wordings that tell the truth: with probability 1 - text a wording speaks of a pole drawn
at random, so that at text = 0 the texts are independent of the traits. Facets are always worded truly.
"""

import re
from dataclasses import dataclass

import numpy as np

from reprolib.data.world.domains import TRAITS, Domain
from reprolib.data.world.latent import Events, Items
from reprolib.data.world.vocabulary import Vocabulary, load, poles, split, vocabulary

MENTIONS = 5  # poles that an item's texts speak of: one in the title, four in the description
PERSONS = {"books", "movies", "cds"}  # vocabularies whose creators are people
CHOICES = 12  # random numbers that the wording of one review uses


@dataclass(frozen=True)
class ItemTexts:
    """Texts of the items of a domain, all of length I; `mentions` (I, 5) are the poles that they speak of."""

    title: list[str]
    name: list[str]  # the title without edition and size
    description: list[list[str]]  # five sentences or so each
    creator: list[str]
    series: list[str]  # "" outside a line
    categories: list[list[str]]
    mentions: np.ndarray


@dataclass(frozen=True)
class ReviewTexts:
    """Review texts and headlines, with the pole that is the true motive and the pole that the text speaks of."""

    body: list[str]
    headline: list[str]
    motive: np.ndarray
    expressed: np.ndarray


def blur(pole: np.ndarray, text: float, rng: np.random.Generator) -> np.ndarray:
    """The poles, each replaced by a random one with probability 1 - text."""
    anything = rng.integers(0, 2 * TRAITS, pole.shape)
    return np.where(rng.random(pole.shape) < text, pole, anything)


def salience(items: Items) -> np.ndarray:
    """How much an item's texts speak of each trait (I, T): its strength where salient, else nothing."""
    return np.where(items.salient, np.abs(items.traits), 0.0)


def pick(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One column per row, drawn in proportion to the weights (n, T)."""
    total = np.cumsum(weights, axis=1)
    return np.minimum(
        (total <= rng.random((len(total), 1)) * total[:, -1:]).sum(1), weights.shape[1] - 1
    )


def articles(text: str) -> str:
    """The text with "an" before vowels, where a template says "a"."""
    return re.sub(r"\b([Aa])(?= [aeiouAEIOU])", r"\1n", text)


def pole_of(values: np.ndarray, trait: np.ndarray) -> np.ndarray:
    """Number of the pole on which row n of values (n, T) lies in trait[n]."""
    return 2 * trait + (values[np.arange(len(trait)), trait] > 0)


def item_texts(domain: Domain, items: Items, text: float, rng: np.random.Generator) -> ItemTexts:
    """Word the items of a domain. Titles are distinct."""
    words = vocabulary(domain.vocabulary)
    weights = salience(items)
    true = np.stack([pole_of(items.traits, pick(weights, rng)) for _ in range(MENTIONS)], axis=1)
    mentions = blur(true, text, rng)
    creator = creators(domain.vocabulary, words, items, rng)
    series = series_names(words, items, rng)
    draws = rng.integers(0, 1 << 30, (len(items.facet), 12 + MENTIONS)).tolist()
    seen, titles, names, descriptions, categories = set(), [], [], [], []
    for i, (facet, mention, draw) in enumerate(
        zip(items.facet.tolist(), mentions.tolist(), draws, strict=True)
    ):
        noun = words.nouns[facet][draw[0] % len(words.nouns[facet])]
        slots = {
            "brand": creator[i],
            "noun": noun,
            "theme": words.themes[facet][draw[1] % len(words.themes[facet])],
        }
        name = item_name(words, mention[0], slots, draw[2:12], seen)
        names.append(name)
        volume = (
            f" ({series[i]}, Book {items.place[i] + 1})"
            if series[i] and words.root == "Books"
            else ""
        )
        titles.append(name + volume)
        descriptions.append(describe(words, mention[1:], slots, draw[12:]))
        categories.append([words.root, words.facets[facet], noun[0].upper() + noun[1:]])
    return ItemTexts(titles, names, descriptions, creator, series, categories, mentions)


def item_name(words: Vocabulary, pole: int, slots: dict, draw: list[int], seen: set[str]) -> str:
    """A title that is not in `seen`; it is added there."""
    word, phrase = poles()[pole].words, words.phrases[pole]
    for k in range(6):
        size = words.sizes[draw[k] // 7 % len(words.sizes)]
        name = words.titles[draw[k] % len(words.titles)].format(
            word=word[draw[k] // 3 % len(word)].title(),
            size=size,
            **slots,
            phrase=re.sub("^(an?|the) ", "", phrase[draw[k] // 5 % len(phrase)]),
        )
        name = articles(name[0].upper() + name[1:])
        for candidate in (name, f"{name}, {size}"):
            if candidate not in seen and (candidate == name or k > 2):
                seen.add(candidate)
                return candidate
    number = 2
    while f"{name} No. {number}" in seen:
        number += 1
    seen.add(f"{name} No. {number}")
    return f"{name} No. {number}"


def describe(words: Vocabulary, mention: list[int], slots: dict, draw: list[int]) -> list[str]:
    """Sentences of a description: what it is, then one sentence per mentioned pole."""
    blurb = articles(words.blurbs[draw[0] % len(words.blurbs)].format(**slots))
    sentences = [blurb[0].upper() + blurb[1:] + "."]
    for k, number in enumerate(mention):
        pole, d = poles()[number], draw[k + 1]
        phrase, does = words.phrases[number][d % 4], pole.does[d // 4 % len(pole.does)]
        word, other = pole.words[d // 20 % 8], pole.words[(d // 20 + 1 + d // 160 % 7) % 8]
        sentence = (
            f"{word} and {other}: with {phrase}, it {does}.",
            f"{word}, {other}, with {phrase}.",
            f"made for {pole.occasions[d // 9 % len(pole.occasions)]}: {word}, with {phrase}.",
            f"it {does}; expect {phrase}, {word} and {other}.",
        )[d // 11 % 4]
        sentences.append(sentence[0].upper() + sentence[1:])
    return sentences


def creators(name: str, words: Vocabulary, items: Items, rng: np.random.Generator) -> list[str]:
    """A distinct name for every creator, repeated per item."""
    names = load("names")
    if name in PERSONS:
        first, second = split(names["first"]), split(names["last"])
    else:
        first, second = split(names["brand"]), words.tails
    number = rng.permutation(len(first) * len(second))[: items.creator.max() + 1]
    label = [f"{first[k // len(second)]} {second[k % len(second)]}" for k in number.tolist()]
    return [label[c] for c in items.creator.tolist()]


def series_names(words: Vocabulary, items: Items, rng: np.random.Generator) -> list[str]:
    """The name of the line that an item belongs to; "" where the line has one item."""
    places = split(load("names")["place"])
    kinds = ("Chronicles", "Cycle", "Saga", "Collection", "Sequence")
    draw = rng.integers(0, 1 << 30, items.line.max() + 1).tolist()
    length = np.bincount(items.line)
    names, seen = [], set()
    for line, facet in zip(*np.unique(items.line, return_index=True), strict=True):
        theme, d = words.themes[items.facet[facet]], draw[line]
        name = f"{places[d % len(places)]} {theme[d // 20 % len(theme)].title()} {kinds[d // 120 % len(kinds)]}"
        while name in seen:
            name = "New " + name
        seen.add(name)
        names.append(name if length[line] > 1 else "")
    return [names[line] for line in items.line.tolist()]


def review_texts(
    domain: Domain, items: Items, events: Events, text: float, rng: np.random.Generator
) -> ReviewTexts:
    """Word one review per event: opening, motive, quality or con, facet or use, closing."""
    agreement = events.state * items.traits[events.item]
    sign = np.where(events.rating >= 3, 1.0, -1.0)[:, None]
    trait = pick(np.exp(1.5 * np.clip(sign * agreement, -4, 4)), rng)
    motive = pole_of(events.state, trait)
    quality = pole_of(items.traits[events.item], pick(salience(items)[events.item], rng))
    trouble = pole_of(
        items.traits[events.item], pick(np.exp(-1.5 * np.clip(agreement, -4, 4)), rng)
    )
    expressed, quality, trouble = (blur(p, text, rng) for p in (motive, quality, trouble))
    grammar = {
        part: value if isinstance(value, dict) else split(value, ";")
        for part, value in load("reviews").items()
    }
    for part in ("open", "summary"):
        grammar[part] = {mood: split(options, ";") for mood, options in grammar[part].items()}
    draws = rng.integers(0, 1 << 30, (len(motive), CHOICES), dtype=np.int32).tolist()
    words = vocabulary(domain.vocabulary)
    columns = (events.rating, items.facet[events.item], expressed, quality, trouble)
    body, headline = [], []
    for draw, *event in zip(draws, *(c.tolist() for c in columns), strict=True):
        one, two = review(words, grammar, draw, *event)
        body.append(one)
        headline.append(two)
    return ReviewTexts(body, headline, motive, expressed)


def review(
    words: Vocabulary,
    grammar: dict,
    draw: list[int],
    rating: int,
    facet: int,
    expressed: int,
    quality: int,
    trouble: int,
) -> tuple[str, str]:
    """Text and headline of one review; every random choice comes from `draw`."""
    mood = "good" if rating > 3 else "mixed" if rating == 3 else "bad"
    mine, its, con = poles()[expressed], poles()[quality], poles()[trouble]
    slots = {
        "thing": words.things[draw[0] % len(words.things)],
        "want": mine.wants[draw[1] % len(mine.wants)],
        "does": its.does[draw[2] % len(its.does)],
        "phrase": words.phrases[quality][draw[3] % 4],
        "word": its.words[draw[4] % len(its.words)],
        "facet": words.facets[facet],
        "theme": words.themes[facet][draw[5] % len(words.themes[facet])],
        "use": (
            mine.occasions[draw[6] % len(mine.occasions)]
            if draw[6] % 5 < 3 and mood == "good"
            else words.occasions[draw[6] % len(words.occasions)]
        ),
    }
    wrong = {
        **slots,
        "word": con.words[draw[4] % len(con.words)],
        "does": con.does[draw[2] % len(con.does)],
    }

    def say(part, number, values=slots):
        return part[number % len(part)].format_map(values)

    parts = [
        say(grammar["open"][mood], draw[7]),
        say(grammar["misfit" if mood == "bad" else "motive"], draw[8]),
    ]
    if mood != "bad":
        parts.append(say(grammar["quality"], draw[9]))
    if rating < 5:
        parts.append(say(grammar["con"], draw[10], wrong))
    if draw[11] % 3:
        parts.append(say(grammar["facet"], draw[5] // 8))
    if draw[11] % 4 > 1:
        parts.append(say(grammar["use"], draw[6] // 8))
    if draw[11] // 12 % 3 == 0:
        parts.append(say(grammar["end"], draw[11] // 36))
    head = say(grammar["summary"][mood], draw[0] // 8, wrong if mood == "bad" else slots)
    return ". ".join(part[0].upper() + part[1:] for part in parts) + ".", head[0].upper() + head[1:]
