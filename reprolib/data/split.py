"""Chronological splits: a Corpus becomes integer arrays, one target event per user held out for validation and test.

What may be read to predict an event of the target domain: earlier events of the target sequence, and source events
with a strictly smaller timestamp. Everything below follows from that rule; `check_no_leak` asserts it.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from reprolib.data.corpus import Corpus, DataError
from reprolib.data.prepare import first_appearance

STAGES = ("train", "valid", "test")
ARROW, JOINED = (
    "->",
    "+",
)  # "food->kitchen", "books+movies->games": a direction is written in this way alone


def parse_direction(direction: str) -> tuple[str | None, str | None]:
    """(source, target) of "source->target"; (None, target) of one domain; (None, None) of "all".

    Several sources are joined by "+": "books+movies->games". Raises DataError on anything else.
    """
    source, arrow, target = direction.rpartition(ARROW)
    names = [*source.split(JOINED), target] if arrow else [target]
    if any(not name or name != name.strip() or ARROW in name for name in names):
        raise DataError(
            f"{direction!r} is no direction; right would be source->target, source+source->target or one domain"
        )
    return source or None, None if target == "all" else target


@dataclass(frozen=True)
class Split:
    """Integer-coded events, target and source apart, each user by user in time order.

    users (n_users,), items (n_items,)  raw ids; user codes are 0-based, item code = position + 1, 0 is padding
    ranges                    {domain: (first, last)} item codes, both ends included; source first
    target, source            names of the predicted domain (or "all") and of the other one (or None); several source
                              domains are joined by "+"
    ptr, item, time           target events as (n_users + 1,) pointers and flat arrays
    src_ptr, src_item, src_time  the same for the source events (empty without a source)
    before (n_target,)        how many of the user's source events may be read to predict this target event
    train_end, valid, test (n_users,)  per user: first target event that is not training; held-out events; -1 = none
    src_train (n_users,)      how many source events are training data
    cut                       the moments (valid from, test from) of a global cut in time, else None
    leak                      True when the rule was broken on purpose (for teaching)
    """

    name: str
    clock: str
    users: np.ndarray
    items: np.ndarray
    ranges: dict[str, tuple[int, int]]
    target: str
    source: str | None
    ptr: np.ndarray
    item: np.ndarray
    time: np.ndarray
    src_ptr: np.ndarray
    src_item: np.ndarray
    src_time: np.ndarray
    before: np.ndarray
    train_end: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    src_train: np.ndarray
    cut: tuple[int, int] | None = None
    leak: bool = False

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items of all domains; codes run from 1 to n_items."""
        return len(self.items)

    @property
    def direction(self) -> str:
        """ "source->target" or the target alone, as `parse_direction` reads it."""
        return f"{self.source}->{self.target}" if self.source else self.target

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the source domains; () without a source."""
        return tuple(self.source.split(JOINED)) if self.source else ()

    @property
    def source_range(self) -> tuple[int, int]:
        """First and last item code of the source domains. Raises DataError where there is no source."""
        if not self.source:
            raise DataError(
                f"{self.name} has no source domain; give a direction such as food->kitchen"
            )
        return self.ranges[self.sources[0]][0], self.ranges[self.sources[-1]][1]

    @property
    def candidates(self) -> tuple[int, int]:
        """First and last item code that may be recommended."""
        return (1, self.n_items) if self.target == "all" else self.ranges[self.target]

    def held_out(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        """(user codes, positions in the target arrays) of the stage's held-out events."""
        where = {"valid": self.valid, "test": self.test}[stage]
        users = np.flatnonzero(where >= 0)
        return users, where[users]

    def train_pairs(self, domains: str = "target") -> tuple[np.ndarray, np.ndarray]:
        """(user codes, item codes) of the training events, "target" only or "all" (with the source)."""
        user, item = slices(self.ptr[:-1], self.train_end, self.item)
        if domains == "target" or self.source is None:
            return user, item
        other = slices(self.src_ptr[:-1], self.src_ptr[:-1] + self.src_train, self.src_item)
        return np.concatenate([user, other[0]]), np.concatenate([item, other[1]])

    def seen(self, stage: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(users, pointers, item codes): target items that each held-out user met before the held-out event."""
        users, where = self.held_out(stage)
        row, item = slices(self.ptr[users], where, self.item)
        return users, np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(users)))]), item

    @property
    def digest(self) -> str:
        """SHA-256 (16 digits) of everything a model can read from the split."""
        total = hashlib.sha256(
            repr((self.name, self.target, self.source, self.ranges, self.cut, self.leak)).encode()
        )
        total.update("\n".join(map(str, self.items)).encode())
        for array in (
            self.ptr,
            self.item,
            self.time,
            self.src_ptr,
            self.src_item,
            self.src_time,
            self.before,
            self.train_end,
            self.valid,
            self.test,
            self.src_train,
        ):
            total.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
        return total.hexdigest()[:16]


def leave_one_out(
    corpus: Corpus, target: str | None = None, source: str | None = None, leak: bool = False
) -> Split:
    """Last target event of each user = test, second-to-last = validation, the rest training.

    target  the predicted domain; None: all domains form one sequence and the user's last event of all is the test
    source  another domain whose events may be read; those at or after the validation event are no training data
    leak    read the source without regard to time, as some released code does: only to show what that "gains".
            Held-out events may then read all source events, and all of them are training data
    Users with fewer than three target events are training only. Raises DataError on an unknown domain.
    """
    coded = _code(corpus, target, source)
    ptr, n = coded["ptr"], np.diff(coded["ptr"])
    full = n >= 3
    test, valid = np.where(full, ptr[1:] - 1, -1), np.where(full, ptr[1:] - 2, -1)
    train_end = np.where(full, ptr[1:] - 2, ptr[1:])
    limit = np.where(full, coded["time"][valid], np.iinfo(np.int64).max)
    return _finish(corpus, coded, train_end, valid, test, limit, None, leak)


def temporal_cut(
    corpus: Corpus, target: str, source: str | None = None, valid: float = 0.8, test: float = 0.9
) -> Split:
    """Two moments for everybody: training ends at the first, each user's first target event after it (and before the
    second) is for validation, the first one after the second is the test. No user's training is later than the cut.

    valid, test  the moments, as shares of all target events in time order
    Raises DataError when the corpus has an order but no times.
    """
    if corpus.clock == "order":
        raise DataError(f"temporal_cut: {corpus.name} has an order but no times; use leave_one_out")
    coded = _code(corpus, target, source)
    time, ptr = coded["time"], coded["ptr"]
    moments = tuple(int(np.quantile(time, q, method="higher")) for q in (valid, test))
    user = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    train_end = ptr[:-1] + np.bincount(user[time < moments[0]], minlength=len(ptr) - 1)
    test_at = ptr[:-1] + np.bincount(user[time < moments[1]], minlength=len(ptr) - 1)
    started = train_end > ptr[:-1]
    valid_at = np.where(started & (train_end < test_at), train_end, -1)
    test_at = np.where((test_at > ptr[:-1]) & (test_at < ptr[1:]), test_at, -1)
    limit = np.full(len(ptr) - 1, moments[0])
    return _finish(corpus, coded, train_end, valid_at, test_at, limit, moments, False)


def check_no_leak(split: Split) -> dict[str, int]:
    """Assert that nothing a model may read is later than what it predicts; {what was checked: how many}.

    Raises ValueError that names the first user at fault. A global cut is also checked across users; with
    leave-one-out other users' training events may be later than a user's test event (`future_share`).
    """
    user = np.repeat(np.arange(split.n_users), np.diff(split.ptr))
    same = user[1:] == user[:-1]
    _none(
        split, user[1:][same & (split.time[1:] < split.time[:-1])], "has target events out of order"
    )
    last = split.src_ptr[:-1][user] + split.before - 1
    reads = split.before > 0
    late = np.zeros(len(user), bool)
    late[reads] = split.src_time[last[reads]] >= split.time[reads]
    _none(
        split,
        user[late],
        "reads a source event that is not earlier than the target event it predicts",
    )
    n_src = np.diff(split.src_ptr)
    src_user = np.repeat(np.arange(split.n_users), n_src)
    trained = (
        np.arange(len(split.src_time)) - split.src_ptr[:-1][src_user] < split.src_train[src_user]
    )
    checked = {"target events": len(user), "source reads": int(reads.sum())}
    for stage in ("valid", "test"):
        users, where = split.held_out(stage)
        _none(
            split,
            users[where < split.train_end[users]],
            f"has its {stage} event among its training events",
        )
        moment = np.full(split.n_users, np.iinfo(np.int64).max)
        moment[users] = split.time[where]
        _none(
            split,
            src_user[trained & (split.src_time >= moment[src_user])],
            f"has a source training event at or after its {stage} event",
        )
        checked[f"{stage} events"] = len(users)
    if split.cut:
        train = np.arange(len(user)) < split.train_end[user]
        _none(
            split, user[train & (split.time >= split.cut[0])], "has a training event after the cut"
        )
        _none(
            split,
            src_user[trained & (split.src_time >= split.cut[0])],
            "has a source training event after the cut",
        )
    return checked


def future_share(split: Split) -> float:
    """Mean over test events of the share of all users' target training events that are later than it.

    0 under a global cut; with leave-one-out it says how much of other users' future a model may learn from.
    """
    user = np.repeat(np.arange(split.n_users), np.diff(split.ptr))
    train = np.sort(split.time[np.arange(len(user)) < split.train_end[user]])
    test = split.time[split.held_out("test")[1]]
    return float(1 - np.searchsorted(train, test, side="right").mean() / len(train))


def _none(split: Split, users: np.ndarray, fault: str) -> None:
    if len(users):
        raise ValueError(
            f"leak in {split.name} ({split.direction}): user {split.users[users[0]]} {fault} "
            f"({len(users)} cases)"
        )


def slices(start: np.ndarray, end: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row numbers, values) of the slices start[i]:end[i]."""
    n = np.maximum(end - start, 0)
    row = np.repeat(np.arange(len(n)), n)
    at = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + start[row]
    return row, values[at]


def _code(corpus: Corpus, target: str | None, source: str | None) -> dict:
    """Integer codes and per-user time order; items of the source take the first codes, each domain a closed range."""
    frame = corpus.interactions
    sources = source.split(JOINED) if source else []
    for domain in filter(None, (target, *sources)):
        if domain not in corpus.domains:
            raise DataError(
                f"{corpus.name}: no domain {domain!r}; it has {', '.join(corpus.domains)}"
            )
    if target in sources or len(set(sources)) < len(sources):
        raise DataError(
            f"{corpus.name}: source {source} and target {target} name a domain twice; choose different domains"
        )
    if frame["timestamp"].null_count():
        raise DataError(
            f"{corpus.name}: {frame['timestamp'].null_count():,} events have no timestamp; "
            "run prepare(corpus, drop_undated) first"
        )
    domains = [d for d in (*sources, target) if d] or list(corpus.domains)
    if len(domains) < len(corpus.domains):
        frame = frame.filter(pl.col("domain").cast(pl.String).is_in(domains))
    user, users = first_appearance(frame["user"])
    number = dict(zip(domains, range(len(domains)), strict=True))
    place = frame["domain"].cast(pl.String).replace_strict(number, return_dtype=pl.Int8).to_numpy()
    item, items, ranges = np.empty(len(user), np.int64), [], {}
    for i, domain in enumerate(domains):
        rows = np.flatnonzero(place == i)
        code, names = first_appearance(
            frame["item"].gather(rows) if len(domains) > 1 else frame["item"]
        )
        item[rows] = code + len(items) + 1
        ranges[domain] = (len(items) + 1, len(items) + len(names))
        items.extend(names.to_list())
    time = frame["timestamp"].to_numpy()
    order = _by_user_and_time(user, time)
    user, item, time, place = user[order], item[order], time[order], place[order]
    is_target = np.ones(len(user), bool) if target is None else place == domains.index(target)
    n = len(users)

    def pointers(chosen: np.ndarray) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(np.bincount(user[chosen], minlength=n))])

    return {
        "users": users.to_numpy(),
        "items": np.asarray(items, dtype=object),
        "ranges": ranges,
        "target": target,
        "source": source,
        "ptr": pointers(is_target),
        "item": item[is_target],
        "time": time[is_target],
        "src_ptr": pointers(~is_target),
        "src_item": item[~is_target],
        "src_time": time[~is_target],
    }


def _by_user_and_time(user: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Stable order by (user, time): one sort of one number where both fit into 63 bits."""
    low = int(time.min(initial=0))
    span = int(time.max(initial=0)) - low + 1
    if (int(user.max(initial=0)) + 1) * span < 2**62:
        return np.argsort(user * span + (time - low), kind="stable")
    return np.lexsort((time, user))


def _finish(corpus, coded, train_end, valid, test, limit, cut, leak) -> Split:
    ptr, time, src_ptr, src_time = coded["ptr"], coded["time"], coded["src_ptr"], coded["src_time"]
    user = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    src_user = np.repeat(np.arange(len(ptr) - 1), np.diff(src_ptr))
    before = _count_earlier(src_user, src_time, user, time) - src_ptr[:-1][user]
    src_train = np.bincount(src_user[src_time < limit[src_user]], minlength=len(ptr) - 1)
    if leak:
        held_out = np.concatenate([valid[valid >= 0], test[test >= 0]])
        before[held_out] = np.diff(src_ptr)[user[held_out]]
        src_train = np.diff(src_ptr)
    return Split(
        name=corpus.name,
        clock=corpus.clock,
        train_end=train_end,
        valid=valid,
        test=test,
        before=before,
        src_train=src_train,
        cut=cut,
        leak=leak,
        **coded | {"target": coded["target"] or "all"},
    )


def _count_earlier(src_user, src_time, user, time) -> np.ndarray:
    """For each (user, time): the number of source events of smaller users, or of the same user strictly earlier."""
    if not len(src_time):
        return np.zeros(len(user), np.int64)
    low = min(src_time.min(), time.min())
    span = int(max(src_time.max(), time.max()) - low) + 1
    return np.searchsorted(
        src_user * span + (src_time - low), user * span + (time - low), side="left"
    )
