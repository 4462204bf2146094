import numpy as np
import pandas as pd
import pytest

from reprolib.papers.persona4rec.reranking_tables import (
    against,
    ceiling_and_floor,
    gains_beside,
    reranking_table,
    segments,
    with_generator,
)


def ranks(system, values, dataset="d", history=None):
    n = len(values)
    return pd.DataFrame({
        "system": system.partition(" on ")[0], "variant": "", "on": system.partition(" on ")[2],
        "dataset": dataset, "direction": "books", "seed": 0, "protocol": "leave-one-out",
        "negatives": 0, "user": range(n),
        "rank": np.asarray(values, float), "candidates": 100, "item_count": 9,
        "item_place": np.linspace(0, 0.99, n), "history": history if history is not None else np.arange(n) % 10 + 3,
    })  # fmt: skip


@pytest.fixture
def table():
    generator = np.tile([2, 11, 30, 4], 50)
    return pd.concat(
        [
            ranks("BPR-MF", generator),
            ranks("Good on BPR-MF", np.where(generator < 20, 1, generator)),
            ranks("Same on BPR-MF", generator),
            ranks("SASRec", generator * 0 + 1),
        ]
    )


def test_a_system_that_generates_for_nobody_is_left_out(table):
    both = with_generator(table)
    assert set(both["reranker"]) == {"none", "Good", "Same"}
    assert set(both["generator"]) == {"BPR-MF"}


def test_the_dagger_marks_who_beats_the_generator_only(table):
    two = pd.concat([table, table.assign(seed=1)])
    marks = reranking_table(two, ["HR@5", "NDCG@10"]).set_index("reranker")["NDCG@10 †"]
    assert marks.to_dict() == {"none": False, "Good": True, "Same": False}
    assert not reranking_table(table, ["NDCG@10"])["NDCG@10 †"].any()  # one seed


def test_a_reranker_below_a_random_order_carries_no_verdict(table):
    """The generator's lists hold three of four items; a random order of 20 has a known expectation."""
    bad = ranks("Bad on BPR-MF", np.tile([20, 20, 30, 20], 50))
    two = pd.concat([table, bad])
    two = pd.concat([two, two.assign(seed=1)])
    rows = against(two, "Bad").set_index("against")
    assert set(rows["no verdict because"]) == {"Bad below a random order"}
    assert against(two, "Good").set_index("against").loc["none", "no verdict because"] == ""
    floor = ceiling_and_floor(two).iloc[0]
    expectation = 0.75 * (1 / np.log2(np.arange(2, 12))).sum() / 20
    assert floor["random order"] == pytest.approx(expectation)


def test_differences_are_paired_with_every_other_order(table):
    rows = against(table, "Good", "HR@10").set_index("against")
    assert set(rows.index) == {"none", "Same"}
    assert rows.loc["none", "difference"] == pytest.approx(
        0.25
    )  # rank 11 became 1 for a quarter of the users
    assert (rows["p"] < 1e-6).all()


def test_segments_are_cut_at_a_fifth_in_each_data_set(table):
    other = pd.concat(
        [
            ranks("BPR-MF", [1] * 10, "e", np.arange(10) + 100),
            ranks("Good on BPR-MF", [3] * 10, "e", np.arange(10) + 100),
        ]
    )
    rows = segments(pd.concat([table, other]), ["HR@10"])
    users = rows[rows["reranker"] == "Good"].set_index(["data set", "group"])["users"]
    assert users["d"].to_dict() == {
        "warm users": 40,
        "cold users": 40,
        "head items": 41,
        "tail items": 39,
    }
    assert users["e"].to_dict() == {
        "warm users": 2,
        "cold users": 2,
        "head items": 2,
        "tail items": 2,
    }
    gain = rows[(rows["reranker"] == "Good") & (rows["data set"] == "e")]["HR@10 gain %"]
    assert gain.isna().all()  # two hits of the generator carry no gain
    gain = rows[(rows["reranker"] == "Same") & (rows["data set"] == "d")]["HR@10 gain %"]
    assert gain.tolist() == [0.0] * 4
    assert rows[rows["reranker"] == "none"]["HR@10 gain %"].isna().all()


def test_published_gains_stand_beside_ours(table):
    named = table.assign(system=table["system"].str.replace("Good", "PERSONA4REC"))
    rows = gains_beside(named, "HR@10").set_index("reranker")
    assert list(rows.index) == ["PERSONA4REC"]
    assert rows.loc["PERSONA4REC", "Amazon-Books (published)"] == pytest.approx(
        8.1, abs=0.05
    )  # 0.1081 over 0.1000
    assert rows.loc["PERSONA4REC", "d"] == pytest.approx(50.0)  # 0.75 over 0.5


def test_a_gain_that_rests_on_fewer_than_ten_hits_is_not_said(table):
    few = pd.concat(
        [
            ranks("BPR-MF", [1] * 9 + [15] * 30, "few"),
            ranks("PERSONA4REC on BPR-MF", [1] * 39, "few"),
        ]
    )
    named = table.assign(system=table["system"].str.replace("Good", "PERSONA4REC"))
    rows = gains_beside(pd.concat([named, few]), "HR@10").set_index("reranker")
    assert rows.loc["PERSONA4REC", "d"] == pytest.approx(50.0)
    assert np.isnan(rows.loc["PERSONA4REC", "few"])
