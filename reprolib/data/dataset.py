"""What every system gets: a split, and the texts and histories of its items and users."""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from reprolib.data.corpus import Corpus, DataError
from reprolib.data.origin import Origin
from reprolib.data.split import Split, slices


@dataclass(frozen=True, eq=False)
class Dataset:
    """A split and the corpus that it was cut from.

    split   the integer-coded events: what a model without texts reads
    corpus  the raw tables; None where there are no texts (toys in tests)
    """

    split: Split
    corpus: Corpus | None = None

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.split.name

    @property
    def origin(self) -> Origin:
        """Data set, digest and users for the line under a table."""
        return Origin(((self.split.name, self.split.n_users),), (self.split.digest,))

    @functools.cached_property
    def item_texts(self) -> pd.DataFrame:
        """One row per item code 1..n_items (the index): domain, title, creator, categories (list), description.

        A missing text is "", a missing list is []. Raises DataError where the data set has no corpus.
        """
        items = self._corpus().items.with_columns(pl.col("item", "domain").cast(pl.String))
        tables = []
        for domain, (first, last) in self.split.ranges.items():
            codes = pl.DataFrame(
                {
                    "code": np.arange(first, last + 1),
                    "item": self.split.items[first - 1 : last].astype(str),
                }
            )
            of_domain = items.filter(pl.col("domain") == domain).unique("item", keep="last")
            tables.append(codes.join(of_domain, on="item", how="left", maintain_order="left"))
        frame = pl.concat(tables)
        frame = frame.with_columns(
            pl.col("title", "creator", "description").fill_null(""),
            pl.col("categories").fill_null([]),
        )
        columns = ["domain", "title", "creator", "categories", "description"]
        return frame.select("code", *columns).to_pandas().set_index("code")

    @functools.cached_property
    def training_events(self) -> pd.DataFrame:
        """user, item, time, rating, review: training events of the target by user and time; "" for no review.

        Users and items are codes of the split. Raises DataError where the data set has no corpus.
        """
        split = self.split
        user, at = slices(split.ptr[:-1], split.train_end, np.arange(len(split.item)))
        chosen = pl.DataFrame(
            {
                "user": split.users[user].astype(str),
                "item": split.items[split.item[at] - 1].astype(str),
                "timestamp": split.time[at],
            }
        )
        told = self._corpus().interactions.with_columns(
            pl.col("user", "item", "domain").cast(pl.String)
        )
        if split.target != "all":
            told = told.filter(pl.col("domain") == split.target)
        keys = ["user", "item", "timestamp"]
        told = told.unique(keys, keep="first", maintain_order=True)
        told = chosen.join(told, on=keys, how="left", maintain_order="left")
        return pd.DataFrame(
            {
                "user": user,
                "item": split.item[at],
                "time": split.time[at],
                "rating": told["rating"].to_numpy(),
                "review": told["review"].fill_null("").to_list(),
            }
        )

    @functools.cached_property
    def text_digest(self) -> str:
        """SHA-256 (16 digits) of every text and fact that a system can read; "" where there are none."""
        if self.corpus is None:
            return ""
        reviews = self.corpus.interactions.select("user", "item", "domain", "review")
        total = hashlib.sha256()
        frames = [self.corpus.items, reviews]
        if self.corpus.facts is not None:
            frames.append(self.corpus.facts)
        for frame in frames:
            total.update(frame.write_ndjson().encode())
        return total.hexdigest()[:16]

    def _corpus(self) -> Corpus:
        if self.corpus is None:
            raise DataError(
                f"{self.name} has events but no texts; a system that reads texts needs its corpus"
            )
        return self.corpus
