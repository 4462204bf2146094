"""Amazon product reviews and metadata of 2014, 2018 and 2023 (McAuley lab), and the ratings-only tables."""

from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus, DataError
from reprolib.data.readers._finish import read_pair
from reprolib.data.readers._formats import (
    first_record,
    interaction_spec,
    record_parsers,
    require,
    table_parsers,
)
from reprolib.data.readers._records import Spec

REVIEWS = "Amazon reviews such as reviews_Books_5.json.gz (2014), Books_5.json.gz (2018) or Books.jsonl.gz (2023)"
METADATA = "Amazon metadata such as meta_Books.json.gz"
RATINGS = "an Amazon ratings table such as ratings_Books.csv (2014), Books.csv (2018, 2023)"
METADATA_COLUMNS = {
    **dict.fromkeys(("parent_asin", "asin", "title", "brand", "store"), pl.String),
    **dict.fromkeys(("description", "category", "categories"), pl.List(pl.String)),
    "author": pl.Struct({"name": pl.String}),
}


def read_amazon(
    reviews: str | Path,
    metadata: str | Path | None = None,
    *,
    domain: str,
    text: bool = True,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> Corpus:
    """One category from its raw reviews and, if given, its metadata; the vintage shows in the keys.

    text           False leaves the review text out (half the memory and more)
    max_malformed  share of malformed lines above which reading fails (DataError); below it they are reported
    """
    return _read(
        (reviews, _review_spec(reviews, text), REVIEWS), metadata, domain, progress, max_malformed
    )


def read_amazon_ratings(
    ratings: str | Path,
    metadata: str | Path | None = None,
    *,
    domain: str,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> Corpus:
    """One category from a ratings-only table: 2014 `user,item,rating,time`, 2018 `item,user,rating,time` (both
    without header; told apart by the ten-character ASIN), 2023 with a header and milliseconds."""
    return _read(
        (ratings, _ratings_spec(ratings), RATINGS), metadata, domain, progress, max_malformed
    )


def _read(
    source: tuple, metadata: str | Path | None, domain: str, progress: bool, max_malformed: float
) -> Corpus:
    about = None if metadata is None else (metadata, _metadata_spec(metadata), METADATA)
    corpus = read_pair(source, about, domain=domain, progress=progress, max_malformed=max_malformed)
    _check_sides(corpus.interactions, str(source[0]))
    return corpus


def _review_spec(path: str | Path, text: bool) -> Spec:
    form, keys = first_record(path, REVIEWS)
    if not isinstance(keys, dict):
        raise DataError(
            f"{path} holds neither JSON nor Python literals, its first line is {str(keys)[:60]}; "
            f"expected {REVIEWS}; ratings-only tables are read by read_amazon_ratings"
        )
    if "user_id" in keys:
        item = "parent_asin" if "parent_asin" in keys else "asin"
        names = {
            "user": "user_id",
            "item": item,
            "timestamp": "timestamp",
            "rating": "rating",
            "review": "text",
        }
    else:
        names = {
            "user": "reviewerID",
            "item": "asin",
            "timestamp": "unixReviewTime",
            "rating": "overall",
            "review": "reviewText",
        }
    require(path, keys, [names[c] for c in ("user", "item", "timestamp", "rating")], REVIEWS)
    return interaction_spec(names, record_parsers, form, text=text, milliseconds="user_id" in keys)


def _ratings_spec(path: str | Path) -> Spec:
    separator, fields = first_record(path, RATINGS)
    if isinstance(fields, dict):
        raise DataError(
            f"{path} holds records, not a table; expected {RATINGS}; reviews are read by read_amazon"
        )
    header = {"user_id", "parent_asin", "asin", "rating", "timestamp"} & set(fields)
    if header:
        item = "parent_asin" if "parent_asin" in fields else "asin"
        names = {"user": "user_id", "item": item, "timestamp": "timestamp", "rating": "rating"}
        require(path, fields, names.values(), RATINGS)
        return interaction_spec(
            names, table_parsers, fields, separator, milliseconds=True, header=True
        )
    if len(fields) != 4:
        raise DataError(f"{path} has {len(fields)} columns in its first line; expected {RATINGS}")
    first, second = ("item", "user") if _item_first(path, *fields[:2]) else ("user", "item")
    names = {c: c for c in ("user", "item", "timestamp", "rating")}
    return interaction_spec(names, table_parsers, [first, second, "rating", "timestamp"], separator)


def _item_first(path: str | Path, first: str, second: str) -> bool:
    if (len(first) == 10) != (len(second) == 10):
        return len(first) == 10
    return not Path(path).name.startswith(
        "ratings_"
    )  # 2014's files carry the prefix, 2018's do not


def _check_sides(interactions: pl.DataFrame, path: str) -> None:
    """Raise DataError when users look like ASINs (ten characters) and items do not."""

    def share(side: str) -> float:
        return (interactions[side].head(10_000).cast(pl.String).str.len_chars() == 10).mean() or 0.0

    if share("user") > 0.99 and share("item") < 0.5:
        raise DataError(
            f"{path}: the user ids are ten characters long like ASINs and the item ids are not; "
            "the two columns seem swapped"
        )


def _metadata_spec(path: str | Path) -> Spec:
    form, keys = first_record(path, METADATA)
    if not isinstance(keys, dict):
        raise DataError(f"{path} holds neither JSON nor Python literals; expected {METADATA}")
    if "reviewerID" in keys or "user_id" in keys:
        raise DataError(f"{path} holds reviews, not metadata; expected {METADATA}")
    item = "parent_asin" if "parent_asin" in keys else "asin"
    require(path, keys, [item], METADATA)
    parsers = record_parsers(form, METADATA_COLUMNS)
    if not _flat(keys):
        parsers.pop("fast", None)  # polars would turn an inner list into text
    return Spec(METADATA_COLUMNS, required=(item,), convert=_metadata_items, **parsers)


def _flat(record: dict) -> bool:
    parts = [part for value in record.values() if isinstance(value, list) for part in value]
    return not any(isinstance(part, list) for part in parts)


def _metadata_items(frame: pl.DataFrame) -> pl.DataFrame:
    parts = pl.col("description").list.drop_nulls()
    author = pl.col("author").struct.field("name")
    return frame.select(
        pl.coalesce("parent_asin", "asin").alias("item"),
        "title",
        parts.list.eval(pl.element().filter(pl.element() != ""))
        .list.join("\n\n")
        .alias("description"),
        pl.coalesce(pl.col("brand").replace("", None), author, "store").alias("creator"),
        pl.coalesce("category", "categories").alias("categories"),
    )
