"""Preparation steps: each takes a Corpus and returns a smaller one; `prepare` leaves an audit row for each.

A step never looks at which event is held out; splits are made afterwards (reprolib.data.split).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import polars as pl

from reprolib.data.corpus import Corpus, DataError


def prepare(corpus: Corpus, *steps: Callable[[Corpus], Corpus]) -> tuple[Corpus, pd.DataFrame]:
    """Run the steps in order; give arguments with functools.partial, e.g. `partial(k_core, users=5, items=5)`.

    Returns the corpus, its items reduced to those with interactions, and the audit: one row per step with the
    numbers of users, items and interactions before and after it. Raises DataError when a step leaves nothing.
    """
    audit = []
    before = _counts(corpus)
    for step in steps:
        corpus = step(corpus)
        after = _counts(corpus)
        name = _name(step)
        audit.append(
            {"data set": corpus.name, "step": name}
            | {f"{k} before": before[k] for k in before}
            | {f"{k} after": after[k] for k in after}
        )
        if not after["interactions"]:
            raise DataError(
                f"{corpus.name}: step {name} leaves no interaction of {before['interactions']:,}; "
                "loosen it or use more data"
            )
        before = after
    used = corpus.interactions.select("item", "domain").unique()
    items = corpus.items.join(used, on=["item", "domain"], how="semi")
    return replace(corpus, items=items), pd.DataFrame(audit)


def drop_duplicates(corpus: Corpus) -> Corpus:
    """Keep each user's earliest event with an item (of a domain); later repeats are left out."""
    kept = corpus.interactions.with_row_index("row").sort("timestamp", maintain_order=True)
    kept = (
        kept.unique(["user", "item", "domain"], keep="first", maintain_order=True)
        .sort("row")
        .drop("row")
    )
    return corpus.with_interactions(kept)


def drop_undated(corpus: Corpus) -> Corpus:
    """Drop events without a timestamp (a sixth of Steam's reviews); a split in time needs one for each event."""
    return corpus.with_interactions(corpus.interactions.drop_nulls("timestamp"))


def k_core(corpus: Corpus, users: int = 5, items: int = 5, per_domain: bool = False) -> Corpus:
    """Drop users with fewer than `users` and items with fewer than `items` events until nothing changes.

    per_domain  a user's events are counted in each domain apart (and dropped there only)
    """
    return _core(corpus, users, items, per_domain, rounds=None)


def one_pass_counts(corpus: Corpus, users: int = 5, items: int = 5) -> Corpus:
    """Drop rare users and items once, by counts taken before either is dropped (SASRec's data; not a k-core).

    For a user's own data: users, items.
    """
    return _core(corpus, users, items, per_domain=False, rounds=1)


def _core(corpus: Corpus, users: int, items: int, per_domain: bool, rounds: int | None) -> Corpus:
    frame = corpus.interactions
    user, item, domain = (_codes(frame[c]) for c in ("user", "item", "domain"))
    n_domains = int(domain.max(initial=0)) + 1
    item = item * n_domains + domain
    if per_domain:
        user = user * n_domains + domain
    keep = np.arange(len(user))
    while rounds is None or rounds > 0:
        by_user = np.bincount(user)
        by_item = np.bincount(item)
        good = (by_user[user] >= users) & (by_item[item] >= items)
        if good.all():
            break
        keep = keep[good]
        user = user[good]
        item = item[good]
        if rounds is not None:
            rounds -= 1
    if len(keep) == len(frame):
        return corpus
    return corpus.with_interactions(frame[keep])


def minimum_per_domain(corpus: Corpus, events: int = 3) -> Corpus:
    """Keep users with at least `events` events in every domain of the corpus."""
    counts = corpus.interactions.group_by("user", "domain").len().filter(pl.col("len") >= events)
    full = counts.group_by("user").len().filter(pl.col("len") == len(corpus.domains))
    return corpus.with_interactions(
        corpus.interactions.join(full, on="user", how="semi", maintain_order="left")
    )


def overlap_only(corpus: Corpus) -> Corpus:
    """Keep users who act in every domain of the corpus."""
    return minimum_per_domain(corpus, events=1)


def time_window(corpus: Corpus, start: int, end: int) -> Corpus:
    """Keep events with start <= timestamp < end (unix seconds). Raises DataError when the corpus has only an order."""
    if corpus.clock == "order":
        raise DataError(
            f"time_window: {corpus.name} has an order but no times; a window in time cannot be cut"
        )
    inside = pl.col("timestamp").is_between(start, end, closed="left")
    return corpus.with_interactions(corpus.interactions.filter(inside))


def subsample_users(corpus: Corpus, n: int, seed: int = 0) -> Corpus:
    """Keep n users drawn with the seed (all, where there are no more), by sorted user id, not by file order.

    For a user's own data: seed.
    """
    ids = corpus.interactions["user"].unique().cast(pl.String).sort()
    drawn = ids.gather(np.random.default_rng(seed).permutation(len(ids))[:n])
    return corpus.with_interactions(
        corpus.interactions.filter(pl.col("user").cast(pl.String).is_in(drawn.implode()))
    )


def sessions(corpus: Corpus, gap_hours: float = 24.0) -> Corpus:
    """Cut each user's events into sessions where two neighbours lie more than `gap_hours` apart.

    Sessions take the place of users (ids "user#1", "user#2", ...), so every split works on them.
    Raises DataError when the corpus has only an order. For a user's own data: gap_hours.
    """
    if corpus.clock == "order":
        raise DataError(f"sessions: {corpus.name} has an order but no times; sessions need times")
    frame = corpus.interactions.sort("user", "timestamp", maintain_order=True)
    new = (pl.col("timestamp").diff().over("user") > gap_hours * 3600).fill_null(False)
    number = new.cast(pl.Int64).cum_sum().over("user") + 1
    user = (pl.col("user").cast(pl.String) + "#" + number.cast(pl.String)).cast(pl.Categorical)
    return corpus.with_interactions(frame.with_columns(user.alias("user")))


def _codes(series: pl.Series) -> np.ndarray:
    """0-based codes in order of first appearance, so that nothing depends on what was read earlier."""
    return first_appearance(series)[0]


def first_appearance(series: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """(codes (n,) int64, the distinct values in order of first appearance) of a categorical column."""
    physical = series.to_physical().to_numpy()
    n = len(physical)
    where = np.full(int(physical.max(initial=0)) + 1, n, np.int64)
    where[physical[::-1]] = np.arange(n - 1, -1, -1)
    rows = np.sort(where[where < n])
    code = np.empty(len(where), np.int64)
    code[physical[rows]] = np.arange(len(rows))
    return code[physical], series.gather(rows).cast(pl.String)


def _counts(corpus: Corpus) -> dict[str, int]:
    frame = corpus.interactions
    return {
        "users": frame["user"].n_unique(),
        "items": frame.select("item", "domain").n_unique(),
        "interactions": frame.height,
    }


def _name(step: Callable) -> str:
    if isinstance(step, partial):
        options = ", ".join(f"{k}={v}" for k, v in step.keywords.items())
        return f"{step.func.__name__}({options})"
    return step.__name__
