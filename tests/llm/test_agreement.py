"""Agreement with published outputs and with the world's truth: hand-made samples, then the real ones."""

import gzip
import json
import os

import numpy as np
import pandas as pd
import pytest

from reprolib.data.corpus import DataError
from reprolib.llm import inputs, open_llm, task_named
from reprolib.llm.inputs import events_of, items_of
from reprolib.papers import agreement_world
from reprolib.papers import language_tables as overview
from reprolib.papers.persona4rec import agreement


class Echo:
    """An annotator that answers by a given function of the input."""

    name, model, label = "embedded-minilm", "echo", "echo"
    reads_input, recorded, workers, retries, backoff = True, None, 1, 0, 0.0

    def __init__(self, answer, cache=None):
        self._answer = answer
        self.cache = cache

    def prepare(self, task, inputs):
        pass

    def answer(self, task, given):
        return task.output.model_validate(self._answer(given))


PERSONAS = [
    {
        "ID": f"P{i}",
        "Name": f"Person {w}",
        "Description": f"Loves {w} a lot.",
        "Preference_Rationale": "As told.",
    }
    for i, w in enumerate(
        ("tigers", "bread", "trains", "opera", "tennis", "chess", "rain", "gold"), start=1
    )
]


@pytest.fixture
def sample(tmp_path):
    """write(stage, rows) -> the folder of a hand-made sample of "amazon"."""

    def write(stage, rows):
        (tmp_path / "amazon").mkdir(exist_ok=True)
        with gzip.open(tmp_path / "amazon" / f"{agreement.FILES[stage]}.jsonl.gz", "wt") as stream:
            stream.write("\n".join(map(json.dumps, rows)))
        return tmp_path

    return write


def by_measure(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("measure")


def review(text, **slots):
    return {"review_text": text, "review_title": "", "extracted_aspects": slots, "rating": 5}


def test_aspect_agreement_by_hand(sample, tmp_path):
    rows = [{"item_id": "x", "aspects": [
        review("a", usage_context="at home"), review("b", usage_context="at work"), review("c"), review("d"),
    ]}]  # fmt: skip
    llm = Echo(
        lambda given: {
            "usage_context": {"a": "at home", "b": None, "c": "on a train"}.get(given.review)
        }
    )
    frame = agreement.aspects(
        sample("aspects", rows), "amazon", llm, cache=tmp_path / "c", keep=lambda record: True
    )
    told = by_measure(frame)
    assert told.loc["usage_context: filled or not", ["annotator", "by chance", "n"]].tolist() == [
        0.5,
        0.5,
        4,
    ]
    assert told.loc["usage_context: share filled", ["annotator", "reference"]].tolist() == [
        0.5,
        0.5,
    ]
    assert told.loc["quality_criteria: filled or not", "annotator"] == 1.0
    assert (
        "usage_context: likeness (cosine)" not in told.index
    )  # only one review fills it on both sides


def test_equal_summaries_are_alike_and_nearest(sample, tmp_path):
    words = ["a tiger in the jungle", "an opera about love", "a bread recipe"]
    rows = [{"item_title": w, "item_description": "text", "item_summary": w} for w in words]
    llm = Echo(lambda given: {"summary": given.item.title})
    told = by_measure(
        agreement.summaries(sample("summary", rows), "amazon", llm, cache=tmp_path / "c")
    )
    assert told.loc["likeness (cosine)", "annotator"] == pytest.approx(1.0, abs=1e-5)
    assert told.loc["likeness (cosine)", "by chance"] < 0.5
    assert told.loc["own summary is the nearest", ["annotator", "by chance"]].tolist() == [
        1.0,
        pytest.approx(1 / 3),
    ]


def selected(persona, named):
    return {"selected_persona_id": persona["ID"], "selected_persona_name": persona["Name"], "selected_persona": persona,
            "selection_reasoning": f"Wants {persona['Description']} **Selection:** 1. B0_{named}"}  # fmt: skip


def test_a_selection_whose_label_contradicts_its_reasoning_is_left_out(sample, tmp_path):
    folder = sample("personas", [{"personas": PERSONAS[:7]}])
    sample("selection", [selected(PERSONAS[7], "P8"), selected(PERSONAS[7], "P2")])
    frame = agreement.selection(
        folder, "amazon", open_llm(cache=tmp_path / "c"), cache=tmp_path / "c"
    )
    assert frame.loc[0, ["annotator", "n"]].tolist() == [1.0, 1]
    assert frame.loc[0, "by chance"] == 1 / 7


def test_a_broken_sample_file_is_named(tmp_path):
    (tmp_path / "amazon").mkdir()
    (tmp_path / "amazon" / "2_summary.jsonl.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"2_summary.jsonl.gz: cannot be read"):
        agreement.read_sample(tmp_path, "amazon", "summary")


def test_what_is_absent_is_said_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.delenv("REPROLIB_DATA", raising=False)
    frame, status = overview.against_reference(tmp_path, ["amazon"], None, reviews=5)
    assert frame.empty
    assert "persona4rec-sample is absent; set REPROLIB_DATA" in status
    assert "REFERENCE is empty" in overview.against_reference(tmp_path, [], None, reviews=5)[1]


def test_purity_by_hand():
    motive = np.array(["", "a", "a", "b", "b"])
    assert agreement_world._purity([[1, 2], [3, 4]], motive) == 1.0
    assert agreement_world._purity([[1, 3], [2, 4]], motive) == 0.5
    assert agreement_world._purity([[1, 2, 3, 4]], motive) == 0.5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from reprolib.data.world import make_world

    return make_world(tmp_path_factory.mktemp("world") / "w", size="smoke", seed=3)


def test_an_annotator_that_knows_the_truth_scores_one_and_a_stubborn_one_scores_chance(
    world, tmp_path
):
    from reprolib.data.world import read_truth, read_world

    titles = {item.title: key for key, item in items_of(read_world(world, ["food"])).items()}
    truth = {
        row["item"]: row
        for row in read_truth(world, "items").iter_rows(named=True)
        if row["domain"] == "food"
    }
    traits = read_truth(world, "traits").rows()

    def oracle(given):
        row = truth[titles[given.item.title]]
        features = {t: [high if row[t] > 0 else low] for t, low, high in traits}
        return {"features": features | {"kind": [row["facet"].casefold()]}, "semantic_summary": "s"}

    def stubborn(given):
        return {
            "features": {c.name: [c.labels[0]] for c in given.categories},
            "semantic_summary": "s",
        }

    knows = agreement_world.labels(world, "food", Echo(oracle, tmp_path / "a"), items=40)
    says = agreement_world.labels(world, "food", Echo(stubborn, tmp_path / "b"), items=40)
    assert knows["annotator"].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(says["annotator"], says["by chance"])


def test_the_embedded_annotator_reads_labels_above_chance(world, tmp_path):
    frame = agreement_world.labels(world, "food", open_llm(cache=tmp_path), items=40)
    assert (frame["annotator"] - frame["annotator ±"] > frame["by chance"]).all()


def test_events_are_in_time_order_and_carry_titles(world, monkeypatch):
    from reprolib.data.world import read_world

    corpus = read_world(world, ["food"])
    items = items_of(corpus)
    monkeypatch.setattr(inputs, "EVENTS", 3)
    events = events_of(corpus.interactions, items)
    user = max(events, key=lambda name: len(events[name]))
    rows = corpus.interactions.filter(corpus.interactions["user"].cast(str) == user).sort(
        "timestamp"
    )
    assert [e.title for e in events[user]] == [items[i].title for i in rows["item"].cast(str)[-3:]]


def test_the_price_is_the_sum_of_prompts_and_asks_nobody(world, tmp_path):
    llm = open_llm("openai:m", cache=tmp_path)
    table = overview.price_table(world, "food", llm, (1.0, 0.0))
    assert table["cost at most"].tolist() == pytest.approx((table["prompt tokens"] / 1e6).tolist())
    labels = table.set_index("task").loc["semacdr/labels"]
    assert (
        labels["answer tokens at most"] == labels["calls"] * task_named("semacdr/labels").max_tokens
    )


def test_the_figure_leaves_out_measures_without_chance():
    rows = [
        ["x", "a/b", "m", 0.5, 0.1, 0.2, np.nan, 9],
        ["x", "a/b", "count", 4.0, 0.1, np.nan, 5.0, 9],
    ]
    figure = overview.agreement_figure(pd.DataFrame(rows, columns=agreement.COLUMNS))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b: m"]


@pytest.mark.real
def test_the_published_samples_are_what_the_fact_sheet_says(tmp_path):
    folder = agreement.sample_folder(os.environ.get("REPROLIB_DATA"))
    if folder is None:
        pytest.skip("persona4rec-sample absent: set REPROLIB_DATA")
    for dataset, consistent in (("amazon", 12), ("yelp", 50)):
        rows = agreement.read_sample(folder, dataset, "selection")
        assert sum(map(agreement._consistent, rows)) == consistent
    frame = agreement.selection(folder, "amazon", open_llm(cache=tmp_path), cache=tmp_path)
    assert frame.loc[0, "annotator"] - frame.loc[0, "annotator ±"] > frame.loc[0, "by chance"]
