"""What a data set looks like in numbers; nothing here changes it."""

import numpy as np
import pandas as pd
import polars as pl

from reprolib.data.corpus import Corpus


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
