"""Tiny data with a known answer, for tests."""

import numpy as np
import polars as pl

from reprolib.data.corpus import INTERACTIONS, ITEMS, Corpus, conform


def corpus(rows, clock="unix", name="toy"):
    """Corpus of (user, item, domain, timestamp) tuples."""
    frame = pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")
    items = frame.select("item", "domain").unique(maintain_order=True)
    return Corpus(conform(frame, INTERACTIONS), conform(items, ITEMS), name=name, clock=clock)


def planted(n_users=300, n_items=40, length=12, seed=0):
    """Users walk a ring: after item i comes i + 1, now and then a jump. Popularity knows nothing of it."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        item = int(rng.integers(n_items))
        for step in range(length):
            rows.append((f"u{user}", f"i{item}", "ring", 1000 * step + user))
            item = int(rng.integers(n_items)) if rng.random() < 0.1 else (item + 1) % n_items
    return corpus(rows, name="ring")


def echo(n_users=400, n_items=30, length=8, seed=0):
    """Two domains: each target item repeats the number of the source item met just before it; alone it is random."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        for step, number in enumerate(rng.permutation(n_items)[:length].tolist()):
            rows.append((f"u{user}", f"s{number}", "source", 100 * step))
            rows.append((f"u{user}", f"t{number}", "target", 100 * step + 50))
    return corpus(rows, name="echo")


def groups(n_users=240, n_items=40, length=8, seed=0):
    """Even users like even items, odd users odd ones: what matrix factorisation can learn and popularity cannot."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = 2 * rng.permutation(n_items // 2)[:length] + user % 2
        rows += [(f"u{user}", f"i{item}", "groups", 10 * step) for step, item in enumerate(own)]
    return corpus(rows, name="groups")
