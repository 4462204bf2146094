from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from toy import corpus

from reprolib.data.corpus import DataError
from reprolib.data.prepare import drop_undated
from reprolib.data.split import check_no_leak, future_share, leave_one_out, temporal_cut

# u: target t1@10 t2@20 t3@30 t4@40, source s1@5 s2@20 s3@35 s4@99; v: too short for a test
ROWS = [
    ("u", "t1", "T", 10),
    ("u", "s1", "S", 5),
    ("u", "t3", "T", 30),
    ("u", "t2", "T", 20),
    ("u", "s2", "S", 20),
    ("u", "t4", "T", 40),
    ("u", "s3", "S", 35),
    ("u", "s4", "S", 99),
    ("v", "t1", "T", 1),
    ("v", "t2", "T", 2),
]


def random_corpus(seed, days=False, n_users=60):
    rng = np.random.default_rng(seed)
    rows = [
        (
            f"u{u}",
            f"{d}{rng.integers(30)}",
            d,
            int(rng.integers(40) * 86400 if days else rng.integers(10**6)),
        )
        for u in range(n_users)
        for d in "ST"
        for _ in range(rng.integers(0, 9))
    ]
    return corpus(rows, clock="day" if days else "unix", name="random")


def names(split, codes):
    return [split.items[c - 1] for c in codes]


def test_leave_one_out_by_hand():
    s = leave_one_out(corpus(ROWS), "T", "S")
    assert names(s, s.item[s.ptr[0] : s.ptr[1]]) == ["t1", "t2", "t3", "t4"]
    assert (s.train_end[0], s.valid[0], s.test[0]) == (2, 2, 3)
    assert (s.valid[1], s.test[1]) == (-1, -1)
    assert s.before[:4].tolist() == [1, 1, 2, 3]  # s2 has t2's time: not strictly earlier
    assert s.src_train.tolist() == [2, 0]  # s1, s2 are before the validation event at 30
    assert s.ranges == {"S": (1, 4), "T": (5, 8)}
    assert names(s, s.train_pairs()[1]) == ["t1", "t2", "t1", "t2"]
    assert names(s, s.train_pairs("all")[1])[-2:] == ["s1", "s2"]


def test_what_was_seen_before_the_test_includes_the_validation_item():
    s = leave_one_out(corpus(ROWS), "T", "S")
    users, ptr, seen = s.seen("test")
    assert (users.tolist(), ptr.tolist(), names(s, seen)) == ([0], [0, 3], ["t1", "t2", "t3"])


def test_without_a_target_the_last_event_of_all_is_the_test():
    s = leave_one_out(corpus(ROWS))
    assert names(s, s.item[s.test[s.test >= 0]]) == ["s4"]


def test_the_order_of_the_file_decides_only_ties():
    a, b = (
        leave_one_out(corpus(ROWS), "T", "S"),
        leave_one_out(corpus(sorted(ROWS, key=lambda r: r[3])), "T", "S"),
    )
    assert [names(x, x.item[x.ptr[0] : x.ptr[1]]) for x in (a,)] == [
        names(b, b.item[b.ptr[-2] : b.ptr[-1]])
    ]
    tied = corpus([("u", x, "T", 7) for x in "abc"])
    s = leave_one_out(tied, "T")
    assert names(s, s.item) == ["a", "b", "c"]


@pytest.mark.parametrize("days", [False, True])
@pytest.mark.parametrize(("target", "source"), [("T", "S"), ("S", "T"), ("T", None), (None, None)])
def test_no_split_leaks(days, target, source):
    for seed in range(5):
        check_no_leak(leave_one_out(random_corpus(seed, days), target, source))
        if target:
            check_no_leak(temporal_cut(random_corpus(seed, days), target, source))


def test_an_open_leak_is_found():
    with pytest.raises(ValueError, match=r"leak in random .*source"):
        check_no_leak(leave_one_out(random_corpus(0), "T", "S", leak=True))


@pytest.mark.parametrize(
    ("field", "at", "wrong", "fault"),
    [
        ("train_end", 0, 4, "among its training events"),
        ("time", 1, 0, "out of order"),
        ("before", 3, 4, "not earlier"),
        ("src_train", 0, 3, "at or after its"),
    ],
)
def test_every_kind_of_leak_is_found(field, at, wrong, fault):
    s = leave_one_out(corpus(ROWS), "T", "S")
    broken = getattr(s, field).copy()
    broken[at] = wrong
    with pytest.raises(ValueError, match=fault):
        check_no_leak(replace(s, **{field: broken}))


def test_a_global_cut_separates_everybodys_training_from_everybodys_test():
    s = temporal_cut(random_corpus(1, n_users=300), "T", "S", valid=0.6, test=0.8)
    user = np.repeat(np.arange(s.n_users), np.diff(s.ptr))
    train = np.arange(len(user)) < s.train_end[user]
    assert s.time[train].max() < s.cut[0] <= s.time[s.valid[s.valid >= 0]].min()
    assert s.time[s.valid[s.valid >= 0]].max() < s.cut[1] <= s.time[s.test[s.test >= 0]].min()
    assert future_share(s) == 0
    assert future_share(leave_one_out(random_corpus(1, n_users=300), "T", "S")) > 0
    with pytest.raises(ValueError, match="after the cut"):
        check_no_leak(replace(s, cut=(0, s.cut[1])))


def test_a_global_cut_needs_times():
    with pytest.raises(DataError, match="order but no times"):
        temporal_cut(corpus(ROWS, clock="order"), "T", "S")


def test_a_split_does_not_depend_on_what_was_read_before():
    alone = leave_one_out(random_corpus(2), "T", "S").digest
    pl.Series(["u59", "T29", "other"]).cast(pl.Categorical)
    assert leave_one_out(random_corpus(2), "T", "S").digest == alone
    assert leave_one_out(random_corpus(3), "T", "S").digest != alone


def test_bad_domains_and_missing_times_get_one_sentence():
    undated = corpus([*ROWS, ("w", "t1", "T", None)])
    with pytest.raises(DataError, match="no domain 'food'; it has T, S"):
        leave_one_out(corpus(ROWS), "food")
    with pytest.raises(DataError, match="source T and target T name a domain twice"):
        leave_one_out(corpus(ROWS), "T", "T")
    with pytest.raises(DataError, match="1 events have no timestamp"):
        leave_one_out(undated, "T")
    assert leave_one_out(drop_undated(undated), "T").n_users == 2
