"""What a file is, by its content, and the reader for it: for `reprolib data describe`."""

from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus, DataError, FileReport
from reprolib.data.readers._formats import first_record, kind_of
from reprolib.data.readers._stream import existing
from reprolib.data.readers.amazon import read_amazon, read_amazon_ratings
from reprolib.data.readers.dbpedia import read_dbpedia
from reprolib.data.readers.goodreads import read_goodreads
from reprolib.data.readers.movielens import read_movielens
from reprolib.data.readers.steam import read_steam
from reprolib.data.readers.tidy import read_tidy
from reprolib.data.readers.yelp import read_yelp

EXPECTED = "a file of a known format (Amazon, Goodreads, Steam, Yelp, MovieLens, N-Triples, tidy CSV or Parquet)"
READERS = {
    "Goodreads": read_goodreads,
    "Steam": read_steam,
    "Yelp": read_yelp,
    "MovieLens": read_movielens,
}
ABOUT_ITEMS = ("metadata", "businesses", "books", "authors", "games", "movies", "items")


def read_any(path: str | Path) -> tuple[str, Corpus | pl.DataFrame, tuple[FileReport, ...]]:
    """(name of the format, Corpus or facts, reports) of one file, read without metadata.

    Raises DataError for an unknown format, and for a file about items, which is read together with its interactions.
    """
    path = existing(path, EXPECTED)
    if path.suffix == ".parquet":
        corpus = read_tidy(path)
        return "tidy interactions", corpus, corpus.reports
    form, record = first_record(path, EXPECTED)
    line = record if isinstance(record, dict) else [str(field) for field in record]
    kind = kind_of(line) or _headerless(form, line, path)
    if kind is None:
        begin = ", ".join(list(line)[:6])[:80]
        raise DataError(
            f"{path} begins with {begin!r}, which is no known format; expected {EXPECTED}"
        )
    if kind == "N-Triples":
        facts, report = read_dbpedia(path, predicates=None)
        return kind, facts, (report,)
    if kind.split()[-1] in ABOUT_ITEMS or "metadata" in kind:
        raise DataError(
            f"{path} holds {kind}, which say something about items only; describe the interactions instead"
        )
    corpus = _read(kind, form, path)
    return kind, corpus, corpus.reports


def _headerless(form: str, fields: list[str] | dict, path: Path) -> str | None:
    if isinstance(fields, dict):
        return None
    joined = ",".join(fields)
    if joined.startswith(("<http", "# started", "#")) or ".nt" in path.name:
        return "N-Triples"
    if {"user_number", "book_number"} <= set(fields):
        return "Goodreads pairs"
    if len(fields) == 4 and _number(fields[2]) and _number(fields[3]):
        return "Amazon ratings (2014 or 2018)" if form == "," else "MovieLens ratings"
    return None


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read(kind: str, form: str, path: Path) -> Corpus:
    name = path.name.split(".")[0]
    if kind.startswith("tidy"):
        return read_tidy(path)
    if kind.startswith("Amazon"):
        return (read_amazon if form in ("json", "literal") else read_amazon_ratings)(
            path, domain=name
        )
    return READERS[kind.split()[0]](path)
