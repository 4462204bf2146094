"""From item text to semantics (SemaCDR section 3.2): categories of two domains, labels and summaries, encoded text."""

import functools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.data.datasets import world_truth
from reprolib.data.origin import Origin
from reprolib.llm import complete, complete_many, open_llm
from reprolib.llm.controls import mixed_up, oracle_label, oracle_share
from reprolib.llm.inputs import items_by_code, items_of
from reprolib.papers.semacdr.task_types import Category, ItemLabels
from reprolib.papers.semacdr.tasks import (
    CATEGORIES,
    ENRICH,
    LABELS,
    drop_rare_labels,
    typical_items,
)
from reprolib.text import encode, load_encoder

RARE = 3  # a label that fewer items carry is an outlier and is dropped
SALIENT = 0.5  # size from which a true trait is a label; salient ones are 0.7 to 1.3, the others about 0.15
SAMPLES = 60  # items of each domain that the category task sees


@dataclass(frozen=True)
class Semantics:
    """What a language model said of every item, coded. Row 0 is padding; rows are item codes of the split.

    categories  {category: its labels}, shared by both domains
    labels (n_items + 1, K, M) bool     which of its category's labels an item has; M = the most labels of a category
    summary, description                 one sentence and one enriched text per item, "" for padding
    inner (n_items + 1, d₂) float32      unit vectors of the inner-domain text
    annotator, calls                     who wrote it, and how many questions were asked
    encoder                              what turned the texts into vectors
    """

    categories: dict[str, list[str]]
    labels: np.ndarray
    summary: list[str]
    description: list[str]
    inner: np.ndarray
    annotator: str
    calls: int
    encoder: str = "none"
    origin: Origin = field(default_factory=Origin)


def induce(dataset: Dataset, llm, n_categories: int = 8) -> list[Category]:
    """K categories with their labels that items of both domains can take.

    llm  a back end from `open_llm`
    """
    reader = llm if hasattr(llm, "embed") else open_llm("embedded")  # chooses the samples
    samples = {
        domain: typical_items(list(items_of(dataset.corpus, domain).values()), SAMPLES, reader)
        for domain in dataset.split.ranges
    }
    # the two domains in the order of their names: one scheme serves both directions
    source, target = sorted(dataset.split.ranges)
    question = {
        "source": source,
        "target": target,
        "source_items": tuple(samples[source]),
        "target_items": tuple(samples[target]),
        "n_categories": n_categories,
    }
    return complete(CATEGORIES, question, llm).categories


def annotate(
    dataset: Dataset,
    *,
    annotator: str = "embedded",
    n_categories: int = 8,
    encoder: str = "minilm",
    progress: bool = True,
) -> Semantics:
    """Semantics of all items of a data set: three tasks, then the text encoder. Items' metadata only are read.

    annotator, encoder  names for `open_llm` and `load_encoder`
    Answers and vectors are cached: an interrupted run goes on where it stopped, a second one only reads.
    """
    llm = open_llm(annotator)
    categories = induce(dataset, llm, n_categories)
    domains = dataset.item_texts["domain"]
    items = [
        {"item": item, "domain": domains[code]} for code, item in items_by_code(dataset).items()
    ]
    questions = [item | {"categories": tuple(categories)} for item in items]
    labelled = complete_many(LABELS, questions, llm, progress=progress)
    labelled = drop_rare_labels(labelled, RARE)
    enriched = complete_many(ENRICH, items, llm, progress=progress)
    summary = ["", *(answer.semantic_summary for answer in labelled)]
    description = ["", *(answer.description for answer in enriched)]
    # the sheet's default: title, categories and what the model wrote, in one text
    texts = [f"{d} {s}".strip() for d, s in zip(description, summary, strict=True)]
    inner = encode(texts, encoder, progress=progress)
    inner[0] = 0
    encoder_name = load_encoder(encoder).name
    return Semantics(
        {category.name: list(category.labels) for category in categories},
        _label_table(categories, labelled),
        summary,
        description,
        inner,
        llm.label,
        1 + 2 * len(items),
        encoder_name,
        dataset.origin | Origin(annotators=(llm.label,), encoders=(encoder_name,)),
    )


def _label_table(categories: list[Category], labelled: list[ItemLabels]) -> np.ndarray:
    """(n_items + 1, K, M) bool: which labels each item has; row 0 is padding."""
    most = max(len(category.labels) for category in categories)
    table = np.zeros((len(labelled) + 1, len(categories), most), bool)
    for k, category in enumerate(categories):
        place = {label: m for m, label in enumerate(category.labels)}
        for code, answer in enumerate(labelled, start=1):
            table[code, k, [place[label] for label in answer.features[category.name]]] = True
    return table


@functools.lru_cache(maxsize=4)
def semantics_of(
    dataset: Dataset, annotator: str = "embedded", n_categories: int = 8, encoder: str = "minilm"
) -> Semantics:
    """`annotate`, kept in memory for the models that follow on the same data set.

    annotator  a name for `open_llm`, or a control: "oracle", "shuffled" or "oracle:SHARE" (see `true_semantics`)
    """
    share = oracle_share(annotator)
    if share is not None:
        return true_semantics(dataset, share, encoder)
    return annotate(
        dataset, annotator=annotator, n_categories=n_categories, encoder=encoder, progress=False
    )


def true_semantics(dataset: Dataset, share: float, encoder: str = "minilm") -> Semantics:
    """What an annotator without errors would write, and what one would that mixes items up: controls.

    share  of items that are described truly; every other item has the description of a random such item of its domain,
           so that labels keep their frequencies. 0: all are mixed up
    Categories are the world's traits, labels their poles; an item has a label where the trait is salient. The text is
    the item's facet and its poles. The truth is known of a miniature world only; raises DataError on other data.
    """
    truth = _truth_of_items(dataset)
    names = [(trait, low, high) for trait, low, high in _trait_names(dataset)]
    strength = truth[[trait for trait, _, _ in names]].to_numpy()  # (items, T)
    described = mixed_up(dataset.split.ranges, share)
    strength = strength[described]
    facet = truth["facet"].to_numpy()[described]
    labels = np.zeros((len(truth) + 1, len(names), 2), bool)
    labels[1:, :, 0] = strength < -SALIENT
    labels[1:, :, 1] = strength > SALIENT
    poles = np.array([[low, high] for _, low, high in names])
    summary = [", ".join(poles[has]) for has in labels]
    texts = ["", *(f"{about}: {text}" for about, text in zip(facet, summary[1:], strict=True))]
    inner = encode(texts, encoder, progress=False)
    inner[0] = 0
    label = oracle_label(share)
    encoder_name = load_encoder(encoder).name
    return Semantics(
        {trait: [low, high] for trait, low, high in names},
        labels,
        summary,
        texts,
        inner,
        label,
        0,
        encoder_name,
        dataset.origin | Origin(annotators=(label,), encoders=(encoder_name,)),
    )


def _truth_of_items(dataset: Dataset) -> pd.DataFrame:
    """One row per item code from 1 on: the generator's table of items."""
    split = dataset.split
    truth = world_truth(dataset.name, "items").to_pandas().set_index(["domain", "item"])
    keys = []
    for domain, (first, last) in split.ranges.items():
        keys += [(domain, str(item)) for item in split.items[first - 1 : last]]
    return truth.loc[keys]


def _trait_names(dataset: Dataset) -> list[tuple[str, str, str]]:
    """(trait, low pole, high pole) of the world's trait space."""
    return world_truth(dataset.name, "traits").rows()
