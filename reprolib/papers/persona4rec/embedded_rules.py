"""How the embedded annotator fills PERSONA4REC's schemas. Labels and cue phrases stand in persona4rec_banks.py."""

import re

import numpy as np

from reprolib.llm.checks import overlap
from reprolib.llm.embedded import (
    DISPLEASED,
    PLEASED,
    Annotator,
    central,
    clusters,
    listed,
    sentences,
    summary_sentences,
    words,
)
from reprolib.llm.trait_bank import BANK
from reprolib.papers.persona4rec.embedded_banks import (
    CUES,
    CUISINES,
    GENRES,
    LIFTS,
    NAMES,
    PROTOTYPES,
    QUALITIES,
    THRESHOLDS,
)

DECAY = 0.85  # of a user's earlier events
KINDS = (
    "category_preference",
    "cuisine_category",
)  # what an item is says little about why it was chosen
SOFT = 0.03  # cosine that multiplies the lean to a pole by e


def summary(given, tools: Annotator) -> str:
    """Central sentences of the description; for a restaurant every attribute, in full sentences."""
    item = given.item
    if given.kind == "restaurant":
        return words(_restaurant(item, given.attributes), 245)
    return words(
        " ".join(summary_sentences(tools, item.description, 3, item.title)) or item.text(), 105
    )


def summary_reads(given) -> list[str]:
    """Texts that `summary` embeds."""
    return (
        [] if given.kind == "restaurant" else [given.item.title, *sentences(given.item.description)]
    )


def _restaurant(item, attributes) -> str:
    has, lacks, facts = [], [], []
    for name, value in attributes:
        name, value = name.replace("_", " "), re.sub(r"^u?'(.*)'$", r"\1", str(value).strip())
        inner = re.findall(r"'?(\w+)'?: True", value)
        if value.startswith("{"):
            if inner:
                facts.append(f"its {name} is {listed(w.replace('_', ' ') for w in inner)}")
        elif value.casefold() in ("true", "yes", "1.0"):
            has.append(name)
        elif value.casefold() in ("false", "no", "none", "0.0"):
            lacks.append(name)
        elif value:
            facts.append(f"its {name} is {value}")
    where = f" in {item.creator}" if item.creator else ""
    parts = [
        f"{item.title} is a place{where}"
        + (f" for {listed(item.categories)}" if item.categories else "")
    ]
    parts += [f"It offers {listed(has)}"] if has else []
    parts += [f"It does not offer {listed(lacks)}"] if lacks else []
    parts += [f"{listed(facts[i : i + 4]).capitalize()}" for i in range(0, len(facts), 4)]
    return ". ".join(parts) + "."


def aspect_reads(given) -> list[str]:
    """Texts that the aspect rules embed."""
    return list(_said(given))


def product_aspects(given, tools: Annotator) -> dict[str, str]:
    """Slots of a product review: kind and criteria by labels, purpose and context by the sentence that tells."""
    filled = _labelled(given, tools, "category_preference", GENRES, 2) | _criteria(given, tools)
    return filled | _quoted(given, tools, ("purchase_purpose", "usage_context"), set())


def restaurant_aspects(given, tools: Annotator) -> dict[str, str]:
    """Slots of a restaurant review; all but the cuisine are sentences of the review."""
    filled = _labelled(given, tools, "cuisine_category", CUISINES, 1)
    used: set[str] = set()
    quoted = _quoted(given, tools, ("visit_purpose", "visit_context"), used)
    left = [s for s in _said(given) if s not in used]
    for slot in ("quality_criteria", "specific_dishes_or_attributes"):
        near = tools.similarity(left, PROTOTYPES[slot]).max(1) if left else np.zeros(0)
        if len(near) and near.max() >= THRESHOLDS[slot]:
            quoted[slot] = words(left.pop(int(near.argmax())), 40)
    return filled | quoted


def _said(given) -> tuple[str, ...]:
    found = sentences(f"{given.title}. {given.review}" if given.title else given.review, 25)
    return tuple(dict.fromkeys(found)) or (words(f"{given.title}. {given.review}".strip(". "), 60),)


def _labelled(
    given, tools: Annotator, slot: str, labels: dict[str, str], most: int
) -> dict[str, str]:
    """The labels that a sentence of the review stands nearest to, where one is near enough."""
    said, names = _said(given), list(labels)
    near = _lift(tools, said, labels)
    best = near.max(0)
    order = np.argsort(-best, kind="stable")[:most]
    found = [names[i] for i in order if best[i] >= max(THRESHOLDS[slot], best[order[0]] - 0.05)]
    if not found:
        return {}
    proof = said[int(near[:, order[0]].argmax())]
    return {slot: ", ".join(found), f"{slot}_reason": f"The review says: {words(proof, 24)}"}


def _criteria(given, tools: Annotator) -> dict[str, str]:
    """Up to three qualities that sentences speak of, each with the polarity of its sentence."""
    said, names = _said(given), list(QUALITIES)
    near = _lift(tools, said, QUALITIES)
    best = near.max(0)
    order = [
        int(i)
        for i in np.argsort(-best, kind="stable")[:3]
        if best[i] >= max(THRESHOLDS["qualities"], best.max() - 0.1)
    ]
    if not order:
        return {}
    polar = tools.polarity(said)
    told = [
        f"{names[i]} ({'positive' if polar[near[:, i].argmax()] >= 0 else 'negative'})"
        for i in order
    ]
    proof = said[int(near[:, order[0]].argmax())]
    return {
        "quality_criteria": ", ".join(told),
        "quality_criteria_reason": f"The review says: {words(proof, 24)}",
    }


def _lift(tools: Annotator, said, labels: dict[str, str]) -> np.ndarray:
    """(sentences, labels): nearness to a label beyond what plain praise and blame have, which are near everything."""
    phrases = list(labels.values())
    return tools.similarity(said, phrases) - tools.similarity(PLEASED + DISPLEASED, phrases).mean(0)


def _quoted(given, tools: Annotator, slots: tuple[str, ...], used: set[str]) -> dict[str, str]:
    """For every slot the sentence nearest to its prototypes, lifted by cue phrases; no sentence serves two slots."""
    said, filled = _said(given), {}
    for slot in slots:
        near = tools.similarity(said, PROTOTYPES[slot]).max(1)
        near = near + LIFTS[slot] * np.array([bool(CUES[slot].search(s)) for s in said])
        near[[i for i, s in enumerate(said) if s in used]] = -1
        best = int(near.argmax())
        if near[best] >= THRESHOLDS[slot]:
            used.add(said[best])
            filled[slot] = words(said[best], 30)
            filled[f"{slot}_reason"] = f"The review says: {words(said[best], 24)}"
    return filled


def persona_reads(given) -> list[str]:
    """Texts that `personas` embeds."""
    return [_aspects_text(r) for r in given.reviews] + [
        v for r in given.reviews for v in r.aspects.values()
    ]


def personas(given, tools: Annotator) -> list[dict]:
    """Clusters of reviews by motive, critical ones apart; each becomes a persona in the words of its aspects."""
    reviews = list(given.reviews)
    vectors = tools.embed(_aspects_text(r) for r in reviews)
    groups = _groups(reviews, _motives(reviews, tools), tools)
    built: list[dict] = []
    for members in sorted(groups, key=lambda g: (-len(g), g[0])):
        persona = _persona(
            [reviews[i] for i in members], vectors[members], {p["name"] for p in built}, tools
        )
        if all(overlap(persona["description"], p["description"]) < 0.75 for p in built):
            built.append(persona)
    return [{"id": f"P{n}", **p} for n, p in enumerate(built[:7], start=1)]


def _motives(reviews, tools: Annotator) -> np.ndarray:
    """(reviews, poles) unit rows: how a review's purpose and context (else all but its kind) lean to the trait poles.

    Leaning is counted from the mean of the item's reviews, so that what they all say does not bind them.
    """
    poles = [trait[end] for trait in BANK for end in ("low_pole", "high_pole")]
    told = [_slots(r, ("purpose", "context")) or _slots(r, ("criteria", "attributes")) or list(r.aspects.values())
            for r in reviews]  # fmt: skip
    near = tools.similarity([value for values in told for value in values], poles)
    lean = np.exp((near - near.mean(0)) / SOFT)
    lean /= lean.sum(1, keepdims=True)
    rows = np.stack(
        [part.mean(0) for part in np.split(lean, np.cumsum([len(values) for values in told])[:-1])]
    )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _slots(review, endings: tuple[str, ...]) -> list[str]:
    return [value for slot, value in review.aspects.items() if slot.endswith(endings)]


def _groups(reviews, vectors: np.ndarray, tools: Annotator) -> list[list[int]]:
    n = len(reviews)
    if n == 1:
        return [[0]]
    if n <= 3:
        return [[i] for i in range(n)]
    polar = tools.polarity([_aspects_text(r) for r in reviews])
    stars = np.array([0.0 if r.rating is None else r.rating - 3 for r in reviews])
    critical = (stars < 0) | ((stars == 0) & (polar < -0.05))
    groups: list[list[int]] = []
    for side in (np.flatnonzero(~critical), np.flatnonzero(critical)):
        if len(side):
            most = max(1, min(6 if len(side) > n / 2 else 2, len(side)))
            labels = clusters(vectors[side], 2 if len(side) > 3 else 1, most)
            groups += [[int(i) for i in side[labels == c]] for c in np.unique(labels)]
    return groups if len(groups) > 1 else [groups[0][::2], groups[0][1::2]]


def _persona(reviews, vectors: np.ndarray, taken: set[str], tools: Annotator) -> dict:
    order = central(vectors)
    top = [reviews[i] for i in order[:3]]
    free = [name for name in NAMES if name not in taken] or list(NAMES)
    centre = vectors.mean(0)
    name = free[int(np.round(tools.embed(NAMES[n] for n in free) @ centre, 4).argmax())]

    def told(*slots: str) -> list[str]:
        values = [_plain(v) for r in top for k, v in r.aspects.items() if k.endswith(slots)]
        return list(dict.fromkeys(v for v in values if v))[:2]

    kinds, criteria = told(*KINDS), told("quality_criteria", "attributes")
    occasions = told("purpose", "context")
    description = [f"This person looks for {listed(words(k, 12) for k in kinds)}."] if kinds else []
    description += [f"They judge by {listed(words(c, 16) for c in criteria)}."] if criteria else []
    description += (
        [f"In their own words: {'; '.join(words(o, 20) for o in occasions)}."] if occasions else []
    )
    cited = max(top, key=lambda r: any(k.endswith(("purpose", "context")) for k in r.aspects))
    slot = max(cited.aspects, key=lambda k: (k.endswith(("purpose", "context")), k not in KINDS))
    signal = words(_plain(cited.aspects[slot]), 20)
    return {
        "name": name,
        "description": " ".join(description),
        "evidence": sorted(r.id for r in reviews),
        "preference_rationale": f"The item appeals to them, as review {cited.id} has it: {signal}.",
    }


def _aspects_text(review) -> str:
    return words(". ".join(_plain(v) for v in review.aspects.values()), 80) or "nothing said"


def _plain(value: str) -> str:
    """One line, without the marks of polarity and the full stop."""
    return " ".join(re.sub(r"\s*\((?:posi|nega)tive\)", "", str(value)).split()).rstrip(" .")


def selection_reads(given) -> list[str]:
    """Texts that `selection` embeds."""
    return [e.text() for e in given.history[-6:]] + [p.text() for p in given.personas]


def selection(given, tools: Annotator) -> dict:
    """The persona nearest to the recent likes, less half the nearness to the dislikes."""
    events = given.history[-6:]
    weight = DECAY ** np.arange(len(events))[::-1] * np.array(
        [1.0 if e.liked else -0.5 for e in events]
    )
    near = tools.similarity([p.text() for p in given.personas], [e.text() for e in events])
    best = int(np.round(near @ weight / np.abs(weight).sum(), 4).argmax())
    chosen, ground = given.personas[best], events[int(near[best].argmax())]
    return {
        "persona_id": chosen.id,
        "reasoning": f"{chosen.name} is nearest to what this person did, above all to {words(ground.title, 12)}.",
    }
