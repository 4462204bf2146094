import polars as pl
import pytest
from toy import corpus, echo

from reprolib.data.split import leave_one_out
from reprolib.data.statistics import (
    domain_ratio,
    eligibility,
    popularity_curve,
    rating_shares,
    statistics,
)
from reprolib.report.published import statistics_beside

ROWS = [
    ("u", "a", "food", 0),
    ("u", "b", "food", 86400),
    ("u", "k", "kitchen", 5),
    ("v", "a", "food", 10),
]


def test_statistics_by_hand():
    table = statistics(corpus(ROWS, name="toy")).set_index("domain")
    food = table.loc["food"]
    assert (food["users"], food["items"], food["interactions"], food["average length"]) == (
        2,
        2,
        3,
        1.5,
    )
    assert food["overlapping"] == 1
    assert food["sparsity %"] == pytest.approx(25)
    assert (food["from"], food["titled %"]) == (1970, 0)


def test_a_corpus_without_times_has_no_years():
    table = statistics(corpus(ROWS, clock="order"))
    assert table[["from", "to"]].isna().all().all()


def test_popularity_counts_from_the_top_in_each_domain():
    curve = popularity_curve(corpus(ROWS))
    assert curve[curve["domain"] == "food"][["place", "events"]].to_numpy().tolist() == [
        [1, 2],
        [2, 1],
    ]


def test_rating_shares_add_up_and_are_empty_without_ratings():
    rated = corpus(ROWS)
    stars = pl.Series([5.0, 5.0, 1.0, 4.0], dtype=pl.Float32)
    rated = rated.with_interactions(rated.interactions.with_columns(rating=stars))
    shares = rating_shares(rated).set_index(["domain", "rating"])["share"]
    assert shares["food", 5] == pytest.approx(2 / 3)
    assert shares["kitchen", 1] == 1
    assert rating_shares(corpus(ROWS)).empty


def test_the_domain_ratio_is_the_share_of_the_larger_domain():
    shares = domain_ratio(corpus(ROWS)).set_index("bin")["share"]
    assert shares["60-70 %"] == 0.5
    assert shares["90-100 %"] == 0.5
    with pytest.raises(ValueError, match="1 domains"):
        domain_ratio(corpus([("u", "a", "food", 0)]))


def test_published_statistics_stand_before_ours_of_the_same_domains():
    beside = statistics_beside(statistics(corpus(ROWS, name="toy")))
    food = beside[(beside["dataset"] == "Food-Kitchen") & (beside["domain"] == "food")]
    assert food["data"].tolist() == ["published", "toy"]
    assert food["users"].tolist() == [19229, 2]
    assert "toy" not in beside[beside["dataset"] == "Movie-Book"]["data"].tolist()


def test_published_lengths_are_interactions_by_users():
    beside = statistics_beside(statistics(corpus(ROWS)))
    printed = beside[beside["data"] == "published"]
    assert (
        printed["interactions"] / printed["users"] - printed["average length"]
    ).abs().max() < 0.006


def test_eligibility_counts_events_cold_items_empty_sources_and_ties():
    """u and v have a, b in training; c and e are test items without a training event; only u has a source event."""
    rows = [("u", "x", "S", 0), ("v", "y", "S", 90)]
    for user, last in (("u", "c"), ("v", "e")):
        rows += [
            (user, "a", "T", 1),
            (user, "b", "T", 1),
            (user, "b2", "T", 3),
            (user, last, "T", 4),
        ]
    row = eligibility([leave_one_out(corpus(rows), "T", "S")]).iloc[0]
    assert row["events an item"] == pytest.approx(4 / 5)
    assert row["cold %"] == 100
    assert row["no source %"] == 50
    assert row["tied %"] == pytest.approx(100 * 2 / 6)
    assert row["not eligible because"] == (
        "fewer than 2 training events an item; a third of the test items is cold; "
        "a third of the users has no source event"
    )


def test_dense_data_are_eligible():
    row = eligibility([leave_one_out(echo(), "target", "source")]).iloc[0]
    assert row["not eligible because"] == ""
    assert row["direction"] == "source->target"
