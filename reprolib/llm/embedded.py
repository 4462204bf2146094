"""The embedded annotator: a deterministic stand-in that reads texts with MiniLM. It is not a language model.

Here is what the rules are made of: sentences, matching against labels, centrality, diversity, clusters, polarity.
The rules themselves stand beside their tasks in tasks/.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from reprolib.llm.task import Task

DIGITS = 4  # similarities are rounded before any choice, so that float noise cannot turn an answer
MOST_SENTENCES = 60
PLEASED = (
    "I loved it, it was excellent.",
    "Very enjoyable and highly recommended.",
    "It works great, I am happy with it.",
)
DISPLEASED = (
    "I was disappointed, it was bad.",
    "Boring, a waste of time and money.",
    "It broke, poor quality, do not buy.",
)
BOILERPLATE = re.compile(
    r"best[- ]?sell|isbn|copyright|©|all rights reserved|\bedition\b|praise for|award[- ]winning author|"
    r"new york times|usa today|publishers weekly|from the author|click|https?://|—\s?[A-Z]",
    re.I,
)


class Annotator:
    """Back end "embedded-minilm": answers from the input by the task's rule."""

    name = "embedded-minilm"
    model = "all-MiniLM-L6-v2"
    label = "embedded-minilm"
    reads_input = True
    recorded = None
    workers = 1
    retries = 0
    backoff = 0.0

    def __init__(self, cache: str | Path | None = None):
        self.cache = cache
        self._near: dict[str, np.ndarray] = {}

    def prepare(self, task: Task, inputs: list[BaseModel]) -> None:
        """Encode together everything that the rule will read for these inputs."""
        texts = list(dict.fromkeys(text for given in inputs for text in task.reads(given)))
        self._near = dict(zip(texts, self._encode(texts), strict=True)) if texts else {}

    def answer(self, task: Task, given: BaseModel) -> BaseModel:
        """The rule's output for one input."""
        return task.rule(given, self)

    def embed(self, texts: Iterable[str]) -> np.ndarray:
        """(n, 384) unit rows."""
        texts = list(texts)
        if not texts:
            return np.zeros((0, 384), np.float32)
        missing = [text for text in dict.fromkeys(texts) if text not in self._near]
        if missing:
            self._near.update(zip(missing, self._encode(missing), strict=True))
        return np.stack([self._near[text] for text in texts])

    def similarity(self, a: Iterable[str], b: Iterable[str]) -> np.ndarray:
        """(len(a), len(b)) rounded cosines of two lists of texts."""
        return np.round(self.embed(a) @ self.embed(b).T, DIGITS)

    def polarity(self, texts: Iterable[str]) -> np.ndarray:
        """Pleased minus displeased, about -0.5 to 0.5, one number per text."""
        both = self.similarity(texts, PLEASED + DISPLEASED)
        if not len(both):
            return np.zeros(0)
        return both[:, : len(PLEASED)].max(1) - both[:, len(PLEASED) :].max(1)

    def _encode(self, texts: list[str]) -> np.ndarray:
        from reprolib.text import encode

        return encode(texts, "minilm", cache=self.cache)


@lru_cache(maxsize=50_000)
def sentences(text: str, most: int = MOST_SENTENCES) -> tuple[str, ...]:
    """The sentences of a text, markup and fragments of under three words left out, each at most 300 characters."""
    plain = re.sub(r"<[^>]{0,200}>|\[\[[^\]]*\]\]", " ", text)
    pieces = re.split(r"(?<=[.!?…])[\"”’)]*\s+(?=[\"“‘(]?[A-Z0-9])|\n+", plain)
    kept = (" ".join(piece.split()) for piece in pieces)
    return tuple(piece[:300] for piece in kept if len(piece.split()) >= 3)[:most]


def words(text: str, most: int) -> str:
    """The text, cut after `most` words."""
    parts = text.split()
    if len(parts) <= most:
        return " ".join(parts)
    return " ".join(parts[:most]).rstrip(",;:") + " ..."


def one_sentence(text: str, most: int = 40) -> str:
    """The text as one sentence: inner full stops become semicolons, one full stop at the end."""
    flat = re.sub(r"[.!?]+\s+", "; ", " ".join(text.split())).rstrip(" .!?;,")
    return words(flat, most).removesuffix(" ...") + "."


def central(vectors: np.ndarray) -> np.ndarray:
    """Rows ordered from the most typical of all rows to the least; equal rows in the order given."""
    if not len(vectors):
        return np.zeros(0, int)
    return np.argsort(-np.round(vectors @ vectors.mean(0), DIGITS), kind="stable")


def diverse(vectors: np.ndarray, relevance: np.ndarray, n: int, weight: float = 0.5) -> list[int]:
    """n rows, greedily: relevant, and unlike those taken before (maximal marginal relevance)."""
    taken: list[int] = []
    score = np.round(relevance.astype(float), DIGITS)
    likeness = np.round(vectors @ vectors.T, DIGITS)
    while len(taken) < min(n, len(score)):
        penalty = 0.0
        if taken:
            penalty = likeness[:, taken].max(1)
        gain = score - weight * penalty
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
    return taken


def summary_sentences(tools: Annotator, text: str, n: int, title: str = "") -> list[str]:
    """The n sentences that say most of a text: central, early, near the title, unlike each other; in text order."""
    found = [s for s in sentences(text) if not BOILERPLATE.search(s)] or list(sentences(text))
    if len(found) <= n:
        return found
    vectors = tools.embed(found)
    relevance = vectors @ vectors.mean(0) + 0.15 / (1 + np.arange(len(found)))
    if title:
        relevance += 0.3 * tools.similarity(found, [title])[:, 0]
    return [found[i] for i in sorted(diverse(vectors, relevance, n, 0.3))]


def clusters(vectors: np.ndarray, least: int, most: int) -> np.ndarray:
    """Cluster of every row: average-link cosine clustering; the number of clusters, least..most, by silhouette."""
    n = len(vectors)
    if n <= least or most < 2:
        return np.arange(n) % max(least, 1)
    from scipy.cluster.hierarchy import fcluster, linkage
    from sklearn.metrics import silhouette_score

    distance = np.round(np.clip(1 - vectors @ vectors.T, 0, None), DIGITS)
    tree = linkage(distance[np.triu_indices(n, 1)], "average")
    best, choice = -2.0, np.zeros(n, int)
    for k in range(least, min(most, n - 1) + 1):
        groups = fcluster(tree, k, "maxclust") - 1
        if len(set(groups.tolist())) < 2:
            continue
        np.fill_diagonal(distance, 0.0)
        score = round(float(silhouette_score(distance, groups, metric="precomputed")), DIGITS)
        if score > best:
            best, choice = score, groups
    return choice


def listed(parts: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    parts = list(parts)
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
