"""The Yelp Open Dataset: reviews and businesses."""

from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus
from reprolib.data.readers._finish import read_pair
from reprolib.data.readers._formats import first_record, interaction_spec, record_parsers, require
from reprolib.data.readers._records import Spec

REVIEWS = "Yelp reviews such as yelp_academic_dataset_review.json"
BUSINESSES = "Yelp businesses such as yelp_academic_dataset_business.json"
NAMES = {
    "user": "user_id",
    "item": "business_id",
    "timestamp": "date",
    "rating": "stars",
    "review": "text",
}
BUSINESS_KEYS = ("business_id", "name", "city", "categories")


def read_yelp(
    reviews: str | Path,
    businesses: str | Path | None = None,
    *,
    domain: str = "yelp",
    text: bool = True,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> Corpus:
    """Reviews as interactions, businesses as items (creator = city; categories split at commas); clock "unix"."""
    form, keys = first_record(reviews, REVIEWS)
    require(reviews, keys, NAMES.values(), REVIEWS)
    spec = interaction_spec(
        NAMES,
        record_parsers,
        form,
        text=text,
        worded={"timestamp": _seconds},
        present=("timestamp",),
    )
    about = None if businesses is None else (businesses, _business_spec(businesses), BUSINESSES)
    return read_pair(
        (reviews, spec, REVIEWS),
        about,
        domain=domain,
        progress=progress,
        max_malformed=max_malformed,
    )


def _seconds(date: pl.Expr) -> pl.Expr:
    return date.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.epoch("s")


def _business_spec(path: str | Path) -> Spec:
    form, keys = first_record(path, BUSINESSES)
    require(path, keys, BUSINESS_KEYS, BUSINESSES)
    columns = dict.fromkeys(BUSINESS_KEYS, pl.String)
    shaped = (
        pl.col("business_id").alias("item"),
        pl.col("name").alias("title"),
        pl.col("city").alias("creator"),
        pl.col("categories").str.split(", ").list.eval(pl.element().str.strip_chars()),
    )
    return Spec(
        columns,
        required=("business_id",),
        convert=lambda frame: frame.select(shaped),
        **record_parsers(form, columns),
    )
