"""What the embedded annotator is made of."""

import numpy as np
import pytest

from reprolib.llm import embedded, open_llm
from reprolib.llm.checks import overlap


def on_circle(*degrees):
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def test_sentences_lose_markup_and_fragments():
    text = 'A fine tale.<br />Yes! "It moved me deeply." Wow.\nThe end was sad'
    assert embedded.sentences(text) == ("A fine tale.", '"It moved me deeply.', "The end was sad")


def test_one_sentence_ends_once_whatever_it_was_made_of():
    assert (
        embedded.one_sentence("First part. Second part! Third") == "First part; Second part; Third."
    )
    assert embedded.one_sentence("word " * 50, 5) == "word word word word word."


def test_the_most_central_row_comes_first():
    assert embedded.central(on_circle(0, 40, 50, 90, 45)).tolist()[0] == 4


def test_diversity_passes_over_a_twin():
    vectors = on_circle(0, 1, 60)
    assert embedded.diverse(vectors, np.array([1.0, 0.99, 0.9]), 2) == [0, 2]
    assert embedded.diverse(vectors, np.array([1.0, 0.99, 0.9]), 2, weight=0.0) == [0, 1]


def test_clusters_find_planted_groups_and_their_number():
    groups = embedded.clusters(on_circle(0, 2, 4, 90, 92, 94, 180, 182), 2, 5)
    assert [len(set(groups[i].tolist())) for i in (slice(0, 3), slice(3, 6), slice(6, 8))] == [
        1,
        1,
        1,
    ]
    assert len(set(groups.tolist())) == 3


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_clusters_of_hardly_anything_do_not_fail(n):
    assert len(embedded.clusters(on_circle(*range(n)), 2, 5)) == n


def test_polarity_has_the_right_sign(tmp_path):
    good, bad = open_llm(cache=tmp_path).polarity(
        ["What a wonderful evening, I adored it.", "Terrible, I want my money back."]
    )
    assert good > 0.1 > -0.1 > bad


def test_overlap_is_between_nothing_and_everything():
    assert overlap("likes dark tales", "likes dark tales") == 1.0
    assert overlap("likes dark tales", "wants clean pans") == 0.0
    assert overlap("", "a an") == 0.0


def test_texts_are_encoded_together_and_remembered(tmp_path, monkeypatch):
    calls = []
    tools = open_llm(cache=tmp_path)
    monkeypatch.setattr(
        tools,
        "_encode",
        lambda texts: calls.append(texts) or np.eye(3, dtype=np.float32)[: len(texts)],
    )
    tools.embed(["a", "b", "a"])
    tools.embed(["b", "c"])
    assert calls == [["a", "b"], ["c"]]
    assert tools.embed([]).shape == (0, 384)
