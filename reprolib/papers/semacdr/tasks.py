"""SemaCDR: categories shared by two domains, labels and a summary sentence for every item, an enriched description."""

import re
from collections import Counter

import numpy as np

from reprolib.llm.checks import empty, repeated, too_long, unknown
from reprolib.llm.embedded import (
    DIGITS,
    Annotator,
    central,
    listed,
    one_sentence,
    summary_sentences,
    words,
)
from reprolib.llm.items import DomainItem, Item, item_block, numbered
from reprolib.llm.task import Task, block, form
from reprolib.papers.semacdr.task_types import (
    NAMES,
    Categories,
    Category,
    DomainPair,
    Enriched,
    ItemLabels,
    ItemToLabel,
)

STOP = frozenset(
    [
        "with",
        "from",
        "this",
        "that",
        "your",
        "into",
        "have",
        "will",
        "they",
        "them",
        "their",
        "when",
        "what",
        "which",
        "about",
        "also",
        "more",
        "most",
        "only",
        "over",
        "each",
        "very",
        "much",
        "than",
        "then",
        "been",
        "being",
        "such",
        "some",
        "like",
        "just",
        "make",
        "made",
        "great",
        "good",
        "best",
        "new",
        "the",
        "and",
        "for",
        "are",
    ]
)


def drop_rare_labels(answers: list[ItemLabels], at_least: int) -> list[ItemLabels]:
    """The answers without labels that fewer than `at_least` items carry (outliers by frequency, section 3.2).

    An item that would lose its last label of a category keeps the most frequent of them.
    """
    counts = Counter(
        (c, label) for a in answers for c, labels in a.features.items() for label in set(labels)
    )

    def kept(category: str, labels: list[str]) -> list[str]:
        common = [label for label in labels if counts[category, label] >= at_least]
        return common or [max(labels, key=lambda label: counts[category, label])]

    return [
        a.model_copy(update={"features": {c: kept(c, labels) for c, labels in a.features.items()}})
        for a in answers
    ]


def _categories_prompt(given: DomainPair) -> str:
    example = {"categories": [{"name": "mood", "labels": ["dark", "playful"]}]}
    return (
        f"Items of two domains, {given.source} and {given.target}, are to be described in one language.\n"
        f"Name exactly {given.n_categories} categories that make sense for items of both domains, and for each "
        f"category "
        f"between 2 and {given.n_labels} short labels in lower case. A label must fit items of either domain; avoid "
        f"words "
        "that only one domain uses, and do not let two categories mean the same.\n\n"
        f"{block('source_items', numbered((i.text(160) for i in given.source_items), 260, 60), 16000)}\n"
        f"{block('target_items', numbered((i.text(160) for i in given.target_items), 260, 60), 16000)}\n\n"
        f"{form(Categories, example)}"
    )


def _check_categories(given: DomainPair, output: Categories) -> list[str]:
    found = output.categories
    problems = (
        []
        if len(found) == given.n_categories
        else [f"{len(found)} categories instead of {given.n_categories}"]
    )
    problems += repeated("category", [c.name for c in found])
    for c in found:
        problems += repeated(f"label of {c.name}", c.labels)
        if len(c.labels) > given.n_labels:
            problems.append(
                f"{c.name} has {len(c.labels)} labels, at most {given.n_labels} are allowed"
            )
    return problems


def _categories_rule(given: DomainPair, tools: Annotator) -> Categories:
    """Words that items of both domains use, each given to the category name it stands nearest to."""
    shared = _shared_words(
        given.source_items, given.target_items, 12 * given.n_categories * given.n_labels
    )
    names = list(NAMES)
    near = tools.similarity(shared, [f"{name}: {NAMES[name]}" for name in names])
    near = near - near.mean(0)  # some names are near everything
    taken: dict[str, list[str]] = {}
    for i in np.argsort(-near.max(1), kind="stable"):
        taken.setdefault(names[int(near[i].argmax())], []).append(shared[i])
    chosen = sorted(
        taken, key=lambda name: (-min(len(taken[name]), given.n_labels), names.index(name))
    )
    chosen = [name for name in chosen if len(taken[name]) >= 2][: given.n_categories]
    chosen += [name for name in names if name not in chosen][: given.n_categories - len(chosen)]
    built = [
        Category(
            name=name,
            labels=(taken.get(name, []) + _own_words(name, taken.get(name, [])))[: given.n_labels],
        )
        for name in chosen
    ]
    return Categories(categories=built)


def _own_words(name: str, taken: list[str]) -> list[str]:
    """The words behind a category's name, where the domains share too few."""
    return [w for w in re.findall(r"[a-z]{4,}", NAMES[name].split(":", 1)[1]) if w not in taken]


def _shared_words(source: tuple[Item, ...], target: tuple[Item, ...], most: int) -> list[str]:
    counts = [
        Counter(
            w
            for item in items
            for w in set(re.findall(r"[a-z]{4,}", item.text(600).casefold())) - STOP
        )
        for items in (source, target)
    ]
    both = counts[0].keys() & counts[1].keys()
    return sorted(
        both, key=lambda w: (-min(counts[0][w] / len(source), counts[1][w] / len(target)), w)
    )[:most]


def _label_prompt(given: ItemToLabel) -> str:
    scheme = "\n".join(f"{c.name}: {', '.join(c.labels)}" for c in given.categories)
    example = {
        "features": {given.categories[0].name: [given.categories[0].labels[0]]},
        "semantic_summary": "...",
    }
    return (
        f"Describe one item of the domain {given.domain}. For every category choose one or more of its labels, only "
        f"labels "
        "that stand there, from the text and from what you know. Then write one sentence that says what the item "
        "offers "
        f"in words that would also interest somebody from another domain.\n\n{block('categories', scheme, 6000)}\n"
        f"{item_block(given.item)}\n\n{form(ItemLabels, example)}"
    )


def _check_labels(given: ItemToLabel, output: ItemLabels) -> list[str]:
    allowed = {c.name: c.labels for c in given.categories}
    missing = [name for name in allowed if not output.features.get(name)]
    problems = [f"no label in {', '.join(missing[:4])}"] if missing else []
    problems += unknown("category", output.features, allowed)
    for name in allowed.keys() & output.features.keys():
        problems += unknown(f"label of {name}", output.features[name], allowed[name])
        problems += repeated(f"label of {name}", output.features[name])
    problems += empty("semantic_summary", output.semantic_summary)
    return problems + too_long("semantic_summary", output.semantic_summary, 60)


def _repair_labels(given: ItemToLabel, output: ItemLabels) -> ItemLabels | None:
    """Keep what fits the scheme when case and spaces are ignored; give up when a category would be empty."""
    plain = {name.casefold().strip(): labels for name, labels in output.features.items()}
    features = {}
    for c in given.categories:
        said = {" ".join(label.casefold().split()) for label in plain.get(c.name.casefold(), [])}
        features[c.name] = [label for label in c.labels if label in said]
    return ItemLabels(features=features, semantic_summary=words(output.semantic_summary, 55))


def _label_rule(given: ItemToLabel, tools: Annotator) -> ItemLabels:
    """In every category the label nearest to the item, and any other almost as near.

    Nearness = that of the nearest sentence, and half of those of the title and of the whole text.
    """
    reading = [given.item.title, *_reading(given.item)]
    features = {}
    for c in given.categories:
        each = tools.similarity(reading, [f"{c.name}: {label}" for label in c.labels])
        near = each[1:].max(0) + 0.5 * (each[0] + each[1])
        order = [i for i in np.argsort(-near, kind="stable") if near[i] >= near.max() - 0.04]
        features[c.name] = [c.labels[i] for i in order[:3]]
    top = listed(labels[0] for labels in list(features.values())[:3])
    core = (
        summary_sentences(tools, given.item.description, 1, given.item.title) or [given.item.title]
    )[0]
    return ItemLabels(
        features=features, semantic_summary=one_sentence(f"{words(core, 30)} ({top})", 45)
    )


def _reading(item: Item) -> list[str]:
    """The texts in which labels are looked for: the whole item, and its first sentences."""
    from reprolib.llm.embedded import sentences

    return [item.text(400), *sentences(item.description, 6)]


def _enrich_prompt(given: DomainItem) -> str:
    return (
        f"Write a fuller description, at most 100 words, of one item of the domain {given.domain}: what it is, what it "
        "offers and whom it suits, in the words that people of this domain use. Use the text and what you know; add no "
        f"advertising.\n\n{item_block(given.item)}\n\n{form(Enriched, {'description': '...'})}"
    )


def _check_enriched(given: DomainItem, output: Enriched) -> list[str]:
    return empty("description", output.description) + too_long(
        "description", output.description, 130
    )


def _enrich_rule(given: DomainItem, tools: Annotator) -> Enriched:
    """Title, creator, categories and the central sentences of the description."""
    item = given.item
    parts = [item.title + (f" by {item.creator}" if item.creator else "")]
    parts += [f"{given.domain}: {', '.join(item.categories[:5])}"] if item.categories else []
    parts += summary_sentences(tools, item.description, 3, item.title)
    return Enriched(description=words(". ".join(p.rstrip(". ") for p in parts) + ".", 110))


def typical_items(items: list[Item], n: int, tools: Annotator) -> list[Item]:
    """n items that stand for a domain: the most central, unlike each other; samples for the categories task."""
    from reprolib.llm.embedded import diverse

    vectors = tools.embed(item.text() for item in items)
    order = central(vectors)[: 10 * n]
    near = np.round(vectors[order] @ vectors.mean(0), DIGITS)
    return [items[order[i]] for i in diverse(vectors[order], near, n)]


def _pair_texts(given: DomainPair) -> list[str]:
    return _shared_words(
        given.source_items, given.target_items, 12 * given.n_categories * given.n_labels
    )


CATEGORIES = Task(
    name="semacdr/categories",
    version=1,
    about="categories and labels that two domains share",
    input=DomainPair,
    output=Categories,
    prompt=_categories_prompt,
    check=_check_categories,
    rule=_categories_rule,
    reads=_pair_texts,
    max_tokens=2000,
)
LABELS = Task(
    name="semacdr/labels",
    version=1,
    about="an item's labels in every category, one sentence about it",
    input=ItemToLabel,
    output=ItemLabels,
    prompt=_label_prompt,
    check=_check_labels,
    repair=_repair_labels,
    rule=_label_rule,
    reads=lambda g: [*_reading(g.item), g.item.title],
)
ENRICH = Task(
    name="semacdr/enrich",
    version=1,
    about="an item's description in the language of its domain",
    input=DomainItem,
    output=Enriched,
    prompt=_enrich_prompt,
    check=_check_enriched,
    rule=_enrich_rule,
    max_tokens=300,
    reads=lambda g: [*_reading(g.item), g.item.title],
)
TASKS = (
    CATEGORIES,
    LABELS,
    ENRICH,
)
