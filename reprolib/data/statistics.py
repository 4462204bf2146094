"""What a data set looks like in numbers; nothing here changes it."""

import numpy as np
import pandas as pd
import polars as pl

from reprolib.data.corpus import Corpus
from reprolib.data.split import ARROW, Split


def statistics(corpus: Corpus) -> pd.DataFrame:
    """One row per domain: users, users active in all domains, items, interactions, average length, sparsity in %,
    mean rating, share of items with a title, first and last year (empty where the source has no such column)."""
    frame = corpus.interactions
    n_domains = len(corpus.domains)
    everywhere = (
        frame.group_by("user")
        .agg(pl.col("domain").n_unique())
        .filter(pl.col("domain") == n_domains)
    )
    rows = []
    for domain in corpus.domains:
        part = frame.filter(pl.col("domain").cast(pl.String) == domain)
        items = corpus.items.filter(pl.col("domain").cast(pl.String) == domain)
        users, n_items = part["user"].n_unique(), part["item"].n_unique()
        rated = part["rating"].drop_nulls()
        years = (
            [None, None]
            if corpus.clock == "order"
            else [
                int(str(np.datetime64(int(t), "s"))[:4])
                for t in (part["timestamp"].min(), part["timestamp"].max())
            ]
        )
        rows.append(
            {
                "data set": corpus.name,
                "domain": domain,
                "users": users,
                "overlapping": part.join(everywhere, on="user", how="semi")["user"].n_unique()
                if n_domains > 1
                else None,
                "items": n_items,
                "interactions": part.height,
                "average length": round(part.height / users, 2),
                "sparsity %": 100 * (1 - part.height / (users * n_items)),
                "mean rating": float(rated.mean()) if len(rated) else None,
                "titled %": 100
                * items.filter(pl.col("title").fill_null("") != "").height
                / max(1, items.height),
                "from": years[0],
                "to": years[1],
            }
        )
    return pd.DataFrame(rows).astype({"overlapping": "Int64", "from": "Int64", "to": "Int64"})


def popularity_curve(corpus: Corpus) -> pd.DataFrame:
    """(domain, place, events): items of each domain from most to least popular."""
    counts = (
        corpus.interactions.group_by("domain", "item")
        .len()
        .sort("domain", "len", descending=[False, True])
    )
    place = pl.int_range(1, pl.len() + 1).over("domain").alias("place")
    table = counts.with_columns(place, pl.col("domain").cast(pl.String))
    return table.select("domain", "place", pl.col("len").alias("events")).to_pandas()


def rating_shares(corpus: Corpus) -> pd.DataFrame:
    """(domain, rating, share): how each domain's ratings are spread (PERSONA4REC, Figure 3); empty without ratings."""
    rated = corpus.interactions.drop_nulls("rating")
    rated = rated.with_columns(
        pl.col("domain").cast(pl.String), pl.col("rating").round().cast(pl.Int8)
    )
    counts = rated.group_by("domain", "rating").len().sort("domain", "rating")
    share = (pl.col("len") / pl.col("len").sum().over("domain")).alias("share")
    return counts.with_columns(share).select("domain", "rating", "share").to_pandas()


def domain_ratio(corpus: Corpus) -> pd.DataFrame:
    """(bin, share): users by the share of their events in their larger domain, 50-100 % in steps of 10.

    After LLM-EDT, Figure 1. Raises ValueError for a corpus of one domain.
    """
    if len(corpus.domains) != 2:
        raise ValueError(
            f"domain_ratio: {corpus.name} has {len(corpus.domains)} domains; the ratio needs two"
        )
    counts = corpus.interactions.group_by("user", "domain").len()
    larger = (
        counts.group_by("user")
        .agg((pl.col("len").max() / pl.col("len").sum()).alias("ratio"))["ratio"]
        .to_numpy()
    )
    bins = np.minimum(np.floor(larger * 10 + 1e-9), 9).astype(int)
    names = [f"{10 * b}-{10 * b + 10} %" for b in range(5, 10)]
    return pd.DataFrame({"bin": names, "share": [float((bins == b).mean()) for b in range(5, 10)]})


FEWEST_EVENTS = 2.0  # training events an item, below which ids cannot be learned
MOST_COLD = 1 / 3  # share of test events whose item has no training event
MOST_WITHOUT_SOURCE = 1 / 3  # share of test events before which the user has no source event


def eligibility(splits: list[Split]) -> pd.DataFrame:
    """Can systems be compared on this split at all? One row per split.

    Columns: data set, direction, "events an item" (training events per target item), "cold %" (test events whose item
    has no training event), "no source %" (test events before which the user has no source event that may be read),
    "tied %" (labels with the time of the event before them: their order is the file's), "not eligible because" ("" =
    the split carries verdicts).
    """
    return pd.DataFrame([_eligibility_row(split) for split in splits])


def _eligibility_row(split: Split) -> dict[str, object]:
    _, item = split.train_pairs("target")
    first, last = split.candidates
    seen = np.bincount(item, minlength=last + 1)
    _, test = split.held_out("test")
    events = seen[first : last + 1].mean()
    cold = (seen[split.item[test]] == 0).mean()
    without_source = (split.before[test] == 0).mean() if split.source else np.nan
    same_user = np.ones(len(split.item), bool)
    same_user[split.ptr[:-1]] = False
    label = np.flatnonzero(same_user)
    tied = (split.time[label] == split.time[label - 1]).mean()
    reasons = {
        f"fewer than {FEWEST_EVENTS:.0f} training events an item": events < FEWEST_EVENTS,
        "a third of the test items is cold": cold > MOST_COLD,
        "a third of the users has no source event": without_source > MOST_WITHOUT_SOURCE,
    }
    return {
        "data set": split.name,
        "direction": f"{split.source}{ARROW}{split.target}" if split.source else split.target,
        "events an item": events,
        "cold %": 100 * cold,
        "no source %": 100 * without_source,
        "tied %": 100 * tied,
        "not eligible because": "; ".join(reason for reason, holds in reasons.items() if holds),
    }
