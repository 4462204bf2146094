"""UCSD Goodreads (Wan and McAuley): interactions as CSV or JSON lines, reviews, books, authors; chainRec's map."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus, DataError
from reprolib.data.readers._finish import build
from reprolib.data.readers._formats import (
    first_record,
    interaction_spec,
    literal_line,
    record_parsers,
    require,
    table_parsers,
)
from reprolib.data.readers._records import Spec, read_records

INTERACTIONS = "Goodreads interactions (goodreads_interactions.csv) or reviews (goodreads_reviews_dedup.json.gz)"
BOOKS = "Goodreads books such as goodreads_books.json.gz"
AUTHORS = "Goodreads authors such as goodreads_book_authors.json.gz"
BOOK_IDS = "book_id_map.csv with the columns book_id_csv and book_id"
NAMES = {
    "user": "user_id",
    "item": "book_id",
    "timestamp": "date_added",
    "rating": "rating",
    "review": "review_text",
}
BOOK_COLUMNS = {
    **dict.fromkeys(("book_id", "title", "description"), pl.String),
    "authors": pl.List(pl.Struct({"author_id": pl.String})),
    "popular_shelves": pl.List(pl.Struct({"name": pl.String})),
}
STATES = (
    "to-read",
    "currently-reading",
    "owned",
    "favorites",
    "books-i-own",
    "default",
    "library",
    "kindle",
)
SHELVES = 10  # a book's most popular shelves that serve as its categories


def read_goodreads(
    interactions: str | Path,
    books: str | Path | None = None,
    *,
    authors: str | Path | None = None,
    book_ids: str | Path | None = None,
    domain: str = "books",
    text: bool = True,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> Corpus:
    """Interactions (CSV: no times, clock "order"; JSON: `date_added`) or reviews, and the books' metadata.

    authors   names the books' authors, which the book file knows by number only
    book_ids  UCSD's book_id_map.csv: turns the running numbers of the interactions CSV into Goodreads book ids
    A rating of 0 means "not rated" and becomes null. Categories are the most popular shelves that say what the
    book is (not "to-read" and its like).
    """
    how = {"progress": progress, "max_malformed": max_malformed}
    events, report = read_records(
        interactions, _interactions_spec(interactions, text), INTERACTIONS, **how
    )
    if "rating" in events.columns:
        events = events.with_columns(pl.when(pl.col("rating") > 0).then("rating"))
    if book_ids is not None:
        events = events.with_columns(_mapped(events["item"], book_ids, report.path))
    if books is None:
        return build(events, None, domain=domain, reports=(report,))
    form, keys = first_record(books, BOOKS)
    require(books, keys, ("book_id", "title"), BOOKS)
    spec = Spec(BOOK_COLUMNS, required=("book_id",), **record_parsers(form, BOOK_COLUMNS))
    items, second = read_records(books, replace(spec, convert=_items), BOOKS, **how)
    if authors is not None:
        items = items.with_columns(creator=_names(items["creator"], authors, how))
    else:
        items = items.drop("creator")
    return build(events, items, domain=domain, reports=(report, second))


def _interactions_spec(path: str | Path, text: bool) -> Spec:
    form, keys = first_record(path, INTERACTIONS)
    if {"user_number", "book_number"} <= set(keys):
        names = {"user": "user_number", "item": "book_number"}
        return interaction_spec(names, table_parsers, keys, form, header=True)
    if {"user_id", "items"} <= set(keys):
        names = {"user": "user_id", "item": "book_id"}
        return interaction_spec(names, lambda columns: {"slow": _pairs})
    require(path, keys, ("user_id", "book_id", "rating"), INTERACTIONS)
    names = {c: raw for c, raw in NAMES.items() if raw in keys}
    if "review_text" not in keys and "review_text_incomplete" in keys:
        names["review"] = "review_text_incomplete"
    if isinstance(keys, dict):
        dated = ("timestamp",) if "timestamp" in names else ()
        return interaction_spec(
            names,
            record_parsers,
            form,
            text=text,
            worded=dict.fromkeys(dated, _seconds),
            present=dated,
        )
    return interaction_spec(names, table_parsers, keys, form, header=True)


def _pairs(line: str) -> list[dict]:
    record = literal_line(line)[0]
    if not isinstance(record.get("items"), dict):
        raise ValueError("no dictionary under 'items'")
    return [{"user_id": record.get("user_id"), "book_id": item} for item in record["items"]]


def _seconds(date: pl.Expr) -> pl.Expr:
    return date.str.to_datetime("%a %b %d %H:%M:%S %z %Y", strict=False).dt.epoch("s")


def _items(frame: pl.DataFrame) -> pl.DataFrame:
    shelves = pl.col("popular_shelves").list.eval(pl.element().struct.field("name"))
    shelves = shelves.list.eval(pl.element().filter(~pl.element().is_in(STATES))).list.head(SHELVES)
    return frame.select(
        pl.col("book_id").alias("item"),
        "title",
        "description",
        pl.col("authors").list.first().struct.field("author_id").alias("creator"),
        shelves.alias("categories"),
    )


def _names(numbers: pl.Series, authors: str | Path, how: dict) -> pl.Series:
    form, keys = first_record(authors, AUTHORS)
    columns = {"author_id": pl.String, "name": pl.String}
    require(authors, keys, columns, AUTHORS)
    spec = Spec(columns, required=("author_id",), **record_parsers(form, columns))
    known = read_records(authors, spec, AUTHORS, **how)[0].unique("author_id", keep="first")
    return numbers.replace_strict(
        known["author_id"], known["name"], default=None, return_dtype=pl.String
    )


def _mapped(items: pl.Series, book_ids: str | Path, path: str) -> pl.Series:
    separator, fields = first_record(book_ids, BOOK_IDS)
    columns = {"book_id_csv": pl.String, "book_id": pl.String}
    require(book_ids, fields, columns, BOOK_IDS)
    spec = Spec(
        columns,
        required=tuple(columns),
        header=True,
        **table_parsers(list(fields), separator, columns),
    )
    known = read_records(book_ids, spec, BOOK_IDS, progress=False)[0]
    mapped = items.cast(pl.String).replace_strict(
        known["book_id_csv"], known["book_id"], default=None
    )
    if mapped.null_count():
        unknown = items.filter(mapped.is_null())[0]
        raise DataError(
            f"{path}: book {unknown} has no row in {book_ids}; expected the map of the same release"
        )
    return mapped.cast(pl.Categorical).alias("item")
