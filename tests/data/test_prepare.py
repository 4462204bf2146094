from functools import partial

import polars as pl
import pytest
from toy import corpus

from reprolib.data.corpus import DataError, join_domains
from reprolib.data.prepare import (
    drop_duplicates,
    k_core,
    minimum_per_domain,
    one_pass_counts,
    overlap_only,
    prepare,
    sessions,
    subsample_users,
    time_window,
)


def pairs(c):
    return sorted(
        zip(
            c.interactions["user"].cast(pl.String),
            c.interactions["item"].cast(pl.String),
            strict=True,
        )
    )


# u1, u2, u3 share items a, b; u4 has only c, which u1 has too: dropping u4 makes c rare, which makes nothing else fall
CHAIN = corpus(
    [
        ("u1", "a", "d", 1),
        ("u1", "b", "d", 2),
        ("u1", "c", "d", 3),
        ("u2", "a", "d", 1),
        ("u2", "b", "d", 2),
        ("u3", "a", "d", 1),
        ("u3", "b", "d", 2),
        ("u4", "c", "d", 1),
    ]
)


def test_k_core_repeats_until_nothing_falls():
    core = k_core(CHAIN, users=2, items=2)
    assert pairs(core) == [(u, i) for u in ("u1", "u2", "u3") for i in ("a", "b")]
    assert pairs(k_core(core, users=2, items=2)) == pairs(core)


def test_one_pass_counts_leave_what_a_core_would_drop():
    assert ("u1", "c") in pairs(one_pass_counts(CHAIN, users=2, items=2))


def test_k_core_per_domain_counts_a_user_in_each_domain_apart():
    c = corpus([("u", "a", "x", 1), ("u", "b", "x", 2), ("u", "c", "y", 3)])
    assert len(k_core(c, users=2, items=1).interactions) == 3
    assert pairs(k_core(c, users=2, items=1, per_domain=True)) == [("u", "a"), ("u", "b")]


def test_the_same_item_id_in_two_domains_is_two_items():
    c = corpus([("u", "a", "x", 1), ("v", "a", "y", 2)])
    assert prepare(c)[0].interactions.height == 2
    with pytest.raises(DataError, match="leaves no interaction"):
        prepare(c, partial(k_core, users=1, items=2))


def test_duplicates_keep_the_earliest_event():
    c = drop_duplicates(corpus([("u", "a", "d", 5), ("u", "a", "d", 1), ("u", "b", "d", 3)]))
    assert c.interactions["timestamp"].to_list() == [1, 3]


def test_overlap_and_minimum_per_domain():
    c = corpus([("u", "a", "x", 1), ("u", "c", "y", 2), ("v", "a", "x", 1), ("v", "b", "x", 2)])
    assert set(overlap_only(c).interactions["user"].cast(pl.String)) == {"u"}
    with pytest.raises(DataError):
        prepare(c, partial(minimum_per_domain, events=2))


def test_time_window_is_closed_on_the_left():
    assert time_window(CHAIN, 1, 2).interactions["timestamp"].unique().to_list() == [1]
    with pytest.raises(DataError, match="order but no times"):
        time_window(corpus([("u", "a", "d", 1)], clock="order"), 0, 5)


def test_subsample_is_seeded_and_does_not_depend_on_row_order():
    rows = [(f"u{i}", "a", "d", 1) for i in range(50)]
    one, two = (
        subsample_users(corpus(rows), 10, seed=3),
        subsample_users(corpus(rows[::-1]), 10, seed=3),
    )
    assert pairs(one) == pairs(two)
    assert len(pairs(one)) == 10
    assert pairs(subsample_users(corpus(rows), 10, seed=4)) != pairs(one)


def test_sessions_are_cut_at_gaps():
    c = sessions(
        corpus(
            [
                ("u", "c", "d", 100_000),
                ("u", "a", "d", 0),
                ("u", "b", "d", 3600),
                ("v", "a", "d", 7),
            ]
        ),
        24,
    )
    assert pairs(c) == [("u#1", "a"), ("u#1", "b"), ("u#2", "c"), ("v#1", "a")]


def test_every_step_leaves_an_audit_row_and_unused_items_go():
    kept, audit = prepare(CHAIN, drop_duplicates, partial(k_core, users=2, items=2))
    assert audit["step"].tolist() == ["drop_duplicates", "k_core(users=2, items=2)"]
    last = audit.iloc[-1]
    assert [last[c] for c in ("users before", "items before", "interactions before")] == [4, 3, 8]
    assert [last[c] for c in ("users after", "items after", "interactions after")] == [3, 2, 6]
    assert sorted(kept.items["item"].cast(pl.String)) == ["a", "b"]


def test_corpora_with_different_clocks_are_not_joined():
    with pytest.raises(DataError, match="keep time differently"):
        join_domains(corpus([("u", "a", "x", 1)]), corpus([("u", "b", "y", 1)], clock="order"))
