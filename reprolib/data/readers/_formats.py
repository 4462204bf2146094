"""The three line formats (JSON, Python literals, separated values) as `Spec` parts, and what a file's first
record tells about it."""

import ast
import csv
import difflib
import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import polars as pl

from reprolib.data.corpus import DataError
from reprolib.data.readers._records import MILLISECONDS, RATING, SECONDS, Spec
from reprolib.data.readers._stream import blocks

SEPARATORS = ("::", "\t", ",", "|")

# Known record formats by the keys that tell them apart; the more special ones stand first.
KINDS = {
    "Amazon 2014 or 2018 reviews": {"reviewerID", "asin"},
    "Yelp reviews": {"review_id", "user_id", "business_id"},
    "Yelp businesses": {"business_id", "name"},
    "Goodreads user-item map": {"user_id", "items"},
    "Goodreads reviews or interactions": {"user_id", "book_id"},
    "Goodreads books": {"book_id", "title"},
    "Goodreads authors": {"author_id", "name"},
    "Steam reviews by user": {"user_id", "reviews"},
    "Steam reviews": {"username", "product_id"},
    "Steam reviews as a table": {"user_id", "item_id", "recommend"},
    "Steam games": {"app_name", "id"},
    "Amazon 2023 reviews or ratings": {"user_id", "parent_asin"},
    "Amazon 2023 reviews": {"user_id", "asin", "text"},
    "Amazon metadata of 2023": {"parent_asin", "title"},
    "Amazon metadata": {"asin", "title"},
    "Amazon metadata ": {"asin", "categories"},
    "MovieLens ratings": {"userId", "movieId", "rating"},
    "MovieLens movies": {"movieId", "title"},
    "tidy interactions": {"user", "item"},
    "tidy items": {"item", "title"},
}


def first_record(path: str | Path, expected: str) -> tuple[str, dict | list[str]]:
    """("json", record), ("literal", record) or (separator, fields) of the first readable line."""
    _, data = next(blocks(path, expected, size=1 << 16))
    lines = [line for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()][:20]
    for line in lines:
        for name, parse in (("json", json_line), ("literal", literal_line)):
            try:
                return name, next(iter(parse(line)))
            except ValueError:
                continue
    separator = next((s for s in SEPARATORS if s in lines[0]), ",")
    if separator == ",":
        return ",", next(csv.reader([lines[0]]))
    return separator, lines[0].split(separator)


def kind_of(keys: Iterable[str]) -> str | None:
    """The known format that has these keys, or None."""
    keys = set(keys)
    return next((kind.strip() for kind, wanted in KINDS.items() if wanted <= keys), None)


def require(path: str | Path, keys: Iterable[str], needed: Collection[str], expected: str) -> None:
    """Raise DataError unless all `needed` keys are there: name them, the nearest keys, or the file's real format."""
    keys = [str(key) for key in keys]
    missing = [key for key in needed if key not in keys]
    if not missing:
        return
    kind = kind_of(keys)
    if kind is not None and len(missing) > len(needed) / 2:
        raise DataError(
            f"{path} looks like {kind} (it has {', '.join(keys[:6])}); expected {expected}"
        )
    named = []
    for key in missing:
        near = difflib.get_close_matches(key, keys, n=1, cutoff=0)
        named.append(f"{key!r}" + (f" (nearest: {near[0]!r})" if near else ""))
    raise DataError(f"{path} has no column {', '.join(named)}; expected {expected}")


def json_line(line: str) -> list[dict]:
    """The object of one JSON line; the token NaN counts as no value."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"not JSON: {line[:60]!r}") from None
    if not isinstance(record, dict):
        raise ValueError(f"not a JSON object: {line[:60]!r}")
    return [record]


def literal_line(line: str) -> list[dict]:
    """The dictionary of one Python-literal line, by ast.literal_eval: no name and no call is ever evaluated."""
    try:
        record = ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise ValueError(f"not a Python literal: {line[:60]!r}") from None
    if not isinstance(record, dict):
        raise ValueError(f"not a dictionary: {line[:60]!r}")
    return [record]


def json_block(columns: dict[str, pl.DataType]) -> Callable[[bytes], pl.DataFrame]:
    """polars' parser for a block of JSON lines with these columns."""
    return lambda data: pl.read_ndjson(data, schema=columns)


def record_parsers(form: str, columns: dict[str, pl.DataType]) -> dict:
    """The `slow` and `fast` parts of a Spec for "json" or "literal" lines."""
    if form == "literal":
        return {"slow": literal_line}
    return {"slow": json_line, "fast": json_block(columns)}


def table_parsers(names: list[str], separator: str, columns: dict[str, pl.DataType]) -> dict:
    """The `slow` and `fast` parts of a Spec for separated values; `names` are the file's columns. Only values
    separated by commas may be quoted, and no value may hold a line break."""

    def slow(line: str) -> list[dict]:
        values = next(csv.reader([line])) if separator == "," else line.split(separator)
        if len(values) != len(names):
            raise ValueError(
                f"{len(values)} fields where {len(names)} are expected ({', '.join(names)})"
            )
        return [{name: value or None for name, value in zip(names, values, strict=True)}]

    schema = {name: columns.get(name, pl.String) for name in names}
    quote = '"' if separator == "," else None

    def fast(data: bytes) -> pl.DataFrame:
        if separator == "::":
            data = data.replace(b"::", b"\t")
        mark = "\t" if separator == "::" else separator
        frame = pl.read_csv(data, has_header=False, separator=mark, schema=schema, quote_char=quote)
        return frame.select(columns.keys())

    return {"slow": slow, "fast": fast}


def interaction_spec(
    names: dict[str, str],
    parsers: Callable,
    *parts,
    text: bool = False,
    milliseconds: bool = False,
    worded: dict[str, Callable[[pl.Expr], pl.Expr]] | None = None,
    **more,
) -> Spec:
    """The Spec of interactions.

    names    Corpus column -> raw column; `review` is read only if `text`
    parsers  record_parsers or table_parsers, called with `parts` and the raw columns
    worded   for columns that are words ("Posted June 5, 2011."): from the text to the number
    """
    names, worded = {c: raw for c, raw in names.items() if text or c != "review"}, worded or {}
    numbers = [c for c in ("rating", "timestamp") if c in names and c not in worded]
    columns = {raw: pl.Float64 if c in numbers else pl.String for c, raw in names.items()}
    types = {
        "user": pl.Categorical,
        "item": pl.Categorical,
        "timestamp": pl.Int64,
        "rating": pl.Float32,
    }
    shaped = {c: worded[c](pl.col(raw)) if c in worded else pl.col(raw) for c, raw in names.items()}
    bounds = {"rating": RATING, "timestamp": MILLISECONDS if milliseconds else SECONDS}
    if milliseconds:
        shaped["timestamp"] = shaped["timestamp"].cast(pl.Int64) // 1000
    shaped = [shape.cast(types.get(c, pl.String)).alias(c) for c, shape in shaped.items()]
    return Spec(
        columns,
        required=tuple(
            raw
            for c, raw in names.items()
            if c in ("user", "item") or (c == "timestamp" and c in numbers)
        ),
        limits={names[c]: bounds[c] for c in numbers},
        convert=lambda frame: frame.select(shaped),
        **parsers(*parts, columns),
        **more,
    )
