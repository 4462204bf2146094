"""From item text to semantics (SemaCDR section 3.2): categories of two domains, labels and summaries, encoded text."""

import functools
from dataclasses import dataclass

import numpy as np

from reprolib.data.corpus import Corpus
from reprolib.data.split import Split

RARE = 3  # a label that fewer items carry is an outlier and is dropped
SAMPLES = 60  # items of each domain that the category task sees


@dataclass(frozen=True)
class Semantics:
    """What a language model said of every item, coded. Row 0 is padding; rows are item codes of the split.

    categories  {category: its labels}, shared by both domains
    labels (n_items + 1, K, M) bool     which of its category's labels an item has; M = the most labels of a category
    summary, description                 one sentence and one enriched text per item, "" for padding
    inner (n_items + 1, d₂) float32      unit vectors of the inner-domain text
    annotator, calls                     who wrote it, and how many questions were asked
    """

    categories: dict[str, list[str]]
    labels: np.ndarray
    summary: list[str]
    description: list[str]
    inner: np.ndarray
    annotator: str
    calls: int


def induce(corpus: Corpus, split: Split, llm, n_categories: int = 8) -> list:
    """K categories with their labels that items of both domains can take; `llm` from `open_llm`."""
    from reprolib.llm import complete, open_llm, task_named
    from reprolib.llm.inputs import items_of
    from reprolib.papers.semacdr.tasks import typical_items

    reader = llm if hasattr(llm, "embed") else open_llm("embedded")  # chooses the samples
    samples = {
        d: typical_items(list(items_of(corpus, d).values()), SAMPLES, reader) for d in split.ranges
    }
    source, target = split.ranges
    # the two domains in the order of their names: one scheme serves both directions
    source, target = sorted((source, target))
    given = {
        "source": source,
        "target": target,
        "source_items": tuple(samples[source]),
        "target_items": tuple(samples[target]),
        "n_categories": n_categories,
    }
    return complete(task_named("semacdr/categories"), given, llm).categories


def annotate(
    corpus: Corpus,
    split: Split,
    *,
    annotator: str = "embedded",
    n_categories: int = 8,
    encoder: str = "minilm",
    progress: bool = True,
) -> Semantics:
    """Semantics of all items of a split: three tasks of reprolib.llm, then the text encoder. Items' metadata only.

    annotator, encoder  names for `open_llm` and `load_encoder`
    Answers and vectors are cached: an interrupted run goes on where it stopped, a second one only reads.
    """
    from reprolib.llm import complete_many, open_llm, task_named
    from reprolib.llm.inputs import items_of
    from reprolib.papers.semacdr.tasks import drop_rare_labels
    from reprolib.text import encode

    llm = open_llm(annotator)
    categories = induce(corpus, split, llm, n_categories)
    known = {domain: items_of(corpus, domain) for domain in split.ranges}
    told = [
        (domain, known[domain][split.items[code - 1]])
        for domain, (first, last) in split.ranges.items()
        for code in range(first, last + 1)
    ]
    asked = [
        {"item": item, "domain": domain, "categories": tuple(categories)} for domain, item in told
    ]
    labelled = complete_many(task_named("semacdr/labels"), asked, llm, progress=progress)
    labelled = drop_rare_labels(labelled, RARE)
    enriched = complete_many(
        task_named("semacdr/enrich"),
        [{"item": item, "domain": domain} for domain, item in told],
        llm,
        progress=progress,
    )
    labels = np.zeros(
        (len(told) + 1, len(categories), max(len(c.labels) for c in categories)), bool
    )
    for k, category in enumerate(categories):
        place = {label: m for m, label in enumerate(category.labels)}
        for code, answer in enumerate(labelled, start=1):
            labels[code, k, [place[label] for label in answer.features[category.name]]] = True
    summary, description = (
        ["", *(a.semantic_summary for a in labelled)],
        ["", *(e.description for e in enriched)],
    )
    # the sheet's default: title, categories and what the model wrote, in one text
    inner = encode(
        [f"{d} {s}".strip() for d, s in zip(description, summary, strict=True)],
        encoder,
        progress=progress,
    )
    inner[0] = 0
    return Semantics(
        {c.name: list(c.labels) for c in categories},
        labels,
        summary,
        description,
        inner,
        llm.label,
        1 + 2 * len(told),
    )


@functools.lru_cache(maxsize=4)
def semantics_of(
    name: str,
    target: str,
    source: str,
    data_dir: str | None = None,
    annotator: str = "embedded",
    n_categories: int = 8,
    encoder: str = "minilm",
) -> Semantics:
    """`annotate` for a data set by name; what it needs is in the cache after the first direction."""
    from reprolib.data.datasets import load_corpus, load_split

    return annotate(
        load_corpus(name, data_dir)[0],
        load_split(name, target, source, data_dir=data_dir),
        annotator=annotator,
        n_categories=n_categories,
        encoder=encoder,
        progress=False,
    )
