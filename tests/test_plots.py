"""Pictures and the sentences beside them: what a reader must be able to see."""

import numpy as np
import pandas as pd
import pytest

from reprolib.report import bars, curve_panels, curves, differences, sampling_figure, sentences
from reprolib.report.figures import figure_bytes
from reprolib.report.plots import MANY_LINES, first_true_order, spread
from reprolib.report.scorecard import ROWS, effects_figure, effects_figures
from reprolib.report.tables import Table
from reprolib.runs.state import NO_VERDICT


def lines_of(names, points=5):
    frames = [
        pd.DataFrame({"x": range(1, points + 1), "y": range(place + 1, place + points + 1)})
        for place in range(len(names))
    ]
    return pd.concat([frame.assign(who=name) for frame, name in zip(frames, names, strict=True)])


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def test_few_lines_are_named_at_their_ends_and_many_in_a_legend_beside_the_axes():
    few = curves(lines_of(["SASRec", "toys"]), "x", "y", "who").axes[0]
    assert texts_of(few) == ["SASRec", "toys"]
    assert few.get_legend() is None
    many = curves(lines_of([f"n{i}" for i in range(MANY_LINES + 1)]), "x", "y", "who").axes[0]
    assert texts_of(many) == []
    assert many.get_legend().get_bbox_to_anchor() is not None


def test_lines_differ_in_more_than_their_colour():
    ax = curves(lines_of(["food", "kitchen", "toys"]), "x", "y", "who").axes[0]
    looks = {(line.get_marker(), line.get_linestyle()) for line in ax.get_lines()}
    assert len(looks) == 3


@pytest.mark.parametrize("heights", [[0.5, 0.5, 0.5], [0.9, 0.1, 0.12], [0.3]])
def test_names_at_the_ends_never_overlap_and_keep_their_order(heights):
    moved = spread(heights, 0.1)
    in_order = np.array(moved)[np.argsort(heights, kind="stable")]
    assert (np.diff(in_order) >= 0.1 - 1e-9).all()


def test_names_that_have_room_stay_where_their_lines_end():
    assert spread([0.2, 0.8], 0.1) == [0.2, 0.8]


def test_panels_share_their_limits_and_a_missing_panel_is_hidden():
    frame = pd.concat([lines_of(["a", "b"]).assign(set=name) for name in ("one", "two", "three")])
    frame.loc[frame["set"] == "three", "y"] *= 10
    figure = curve_panels(frame, "x", "y", "who", "set", logy=True)
    assert [ax.get_visible() for ax in figure.axes] == [True, True, True, False]
    top = frame["y"].max()
    assert all(ax.get_ylim()[1] > top for ax in figure.axes[:3])


def test_bars_name_both_axes_and_differ_in_hatch():
    frame = pd.DataFrame({"stars": [1, 1], "share": [0.2, 0.8], "who": ["a", "b"]})
    ax = bars(frame, "stars", "share", "who", xlabel="stars", ylabel="share of ratings").axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("stars", "share of ratings")
    assert len({patch.get_hatch() for patch in ax.patches}) == 2


def test_differences_show_zero_both_directions_and_p():
    figure = differences(
        ["A"], [0.02], [0.01], xlabel="NDCG@10", left="honest", right="leak", notes=["p = 0.03"]
    )
    ax = figure.axes[0]
    low, high = ax.get_xlim()
    assert low < 0 < 0.03 < high
    assert texts_of(ax) == ["← honest", "leak →", "p = 0.03"]


def curve_of(**values):
    sizes = [10, 100, 1000]
    return pd.DataFrame(
        {"system": name, "negatives": size, "NDCG@10": value}
        for name, row in values.items()
        for size, value in zip(sizes, row, strict=True)
    )


def test_the_picture_of_sampling_says_where_the_order_turns():
    turning = curve_of(SASRec=[0.6, 0.3, 0.01], Popularity=[0.5, 0.2, 0.02])
    assert first_true_order(turning, "NDCG@10") == 1000
    assert "holds from 1,000" in sampling_figure(turning, "NDCG@10").axes[1].get_title(loc="left")
    steady = curve_of(SASRec=[0.6, 0.3, 0.02], Popularity=[0.5, 0.2, 0.01])
    assert first_true_order(steady, "NDCG@10") is None
    assert "the same" in sampling_figure(steady, "NDCG@10").axes[1].get_title(loc="left")


def verdicts_of(count, paper="SemaCDR"):
    return pd.DataFrame(
        {
            "paper": paper,
            "id": [f"c-{place:02}" for place in range(count)],
            "claim": "A claim that is long enough to need more than a single line of a picture.",
            "verdict": ["reproduced", "not reproduced", "inconclusive"][: count % 3 + 1][0],
            "relative %": np.linspace(-30, 30, count),
            "relative low": np.linspace(-40, 20, count),
            "relative high": np.linspace(-20, 40, count),
        }
    )


def test_claims_stand_in_words_and_no_picture_has_more_than_it_can_hold():
    verdicts = pd.concat([verdicts_of(2 * ROWS + 1), verdicts_of(3, "SPHERE")])
    pictures = effects_figures(verdicts)
    assert [len(claims) for _, claims in pictures] == [3, 9, 8, 8]
    assert "SPHERE" in pictures[0][0]
    ax = effects_figure(pictures[0][1]).axes[0]
    labels = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert labels[0].startswith("A claim that is long enough")
    assert texts_of(ax) == ["← against the paper", "for the paper →"]


def test_without_a_tested_claim_picture_and_caption_say_so():
    [(caption, claims)] = effects_figures(verdicts_of(0))
    assert "no claim could be tested" in caption
    assert figure_bytes(effects_figure(claims), "origin")["png"]


def test_a_folded_table_shows_its_caption_and_hides_the_rest():
    table = Table("Table 1a", pd.DataFrame({"claim": ["<b>"]}), "A caption.", "Origin.")
    assert table.html(fold=True).startswith("<details><summary><b>Table 1a.</b> A caption.")
    assert table.html(fold=True).count("A caption.") == 1
    assert "<details" not in table.html()


def summary_of(values, metric="NDCG@10", half=0.01):
    return pd.DataFrame(
        {"system": name, "direction": "a->b", metric: value, f"{metric} ±": half}
        for name, value in values.items()
    )


def test_sentences_say_what_the_numbers_beside_them_say():
    full = summary_of({"Popularity": 0.1, "SASRec": 0.2, "SSM": 0.3})
    same = summary_of({"Popularity": 0.2, "SASRec": 0.6, "SSM": 0.6001})
    turned = summary_of({"Popularity": 0.2, "SASRec": 0.7, "SSM": 0.6})
    assert "SSM falls behind SASRec" in sentences.swap_sentences(full, turned, "NDCG@10", 100)
    assert "profile real" in sentences.swap_sentences(full, same, "NDCG@10", 100)
    assert "profile real" not in sentences.swap_sentences(full, turned, "NDCG@10", 100)
    assert sentences.inflation_sentence(full, turned, "NDCG@10").endswith("by 2.0 to 3.5.")
    assert sentences.floor_sentences(full, "NDCG@10").endswith("NDCG@10: SASRec, SSM.")
    near = summary_of({"Popularity": 0.1, "SASRec": 0.11})
    assert sentences.floor_sentences(near, "NDCG@10").endswith("no system.")


@pytest.mark.parametrize(
    ("difference", "p", "mark", "words"),
    [
        (0.01, 0.2, "", "no difference"),
        (0.01, 0.01, "", "the leak gains"),
        (-0.01, 0.01, "", "the leak costs"),
        (0.01, 0.01, "A unfinished", "no verdict (A unfinished)"),
    ],
)
def test_a_leak_is_told_by_its_sign_its_p_and_its_mark(difference, p, mark, words):
    row = {"system": "A", "direction": "a->b", "difference": difference, "p": p, NO_VERDICT: mark}
    gain = pd.DataFrame([row])
    assert words in sentences.leak_sentences(gain)


def test_the_step_that_removes_most_is_named_with_its_share():
    audit = pd.DataFrame(
        {
            "data set": ["x", "x", "y"],
            "step": ["few", "many", "none"],
            "interactions before": [100, 90, 50],
            "interactions after": [90, 40, 50],
        }
    )
    assert sentences.largest_removal_sentences(audit).splitlines() == [
        "x: many removed most, 50% of all events.",
        "y: no step removed an event.",
    ]
