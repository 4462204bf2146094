"""The tidy form: interactions, items and facts as Parquet or CSV with the columns of Corpus."""

import json
from pathlib import Path

import polars as pl

from reprolib.data.corpus import FACTS, INTERACTIONS, ITEMS, Corpus, DataError, FileReport, conform
from reprolib.data.readers._finish import complete_items, with_clock
from reprolib.data.readers._formats import require
from reprolib.data.readers._stream import existing

SUFFIXES = (".parquet", ".csv", ".csv.gz")
FIRST_SECOND = 1e8  # smaller timestamps are positions, not seconds


def write_tidy(corpus: Corpus, folder: str | Path) -> Path:
    """Write interactions.parquet, items.parquet, facts.parquet (if any) and corpus.json (name, clock)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"interactions": corpus.interactions, "items": corpus.items, "facts": corpus.facts}
    for stem, frame in tables.items():
        if frame is not None:
            frame.write_parquet(folder / f"{stem}.parquet")
    about = {"name": corpus.name, "clock": corpus.clock}
    (folder / "corpus.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    return folder


def read_tidy(
    source: str | Path, items: str | Path | None = None, *, domain: str = "main"
) -> Corpus:
    """A Corpus from a folder (interactions.*, items.*, facts.*, corpus.json) or from single files.

    Needed are `user` and `item`; other columns become nulls, a missing `domain` becomes the argument. In CSV,
    `categories` is a JSON list. Without corpus.json the clock shows in the timestamps.
    Raises DataError for a table that is absent or has no user or item in a row.
    For a user's own data: items, domain.
    """
    source = Path(source)
    folder = source if source.is_dir() else None
    interactions = _in(folder, "interactions") if folder else source
    items = _in(folder, "items", optional=True) if folder and items is None else items
    facts = _in(folder, "facts", optional=True) if folder else None
    events, report = _table(interactions, INTERACTIONS, ("user", "item"), domain)
    events, clock = with_clock(events)
    if clock != "order" and events["timestamp"].max() < FIRST_SECOND:
        clock = "order"
    about = _about(folder) if folder else {}
    reports = [report]
    known = None
    if items is not None:
        known, second = _table(items, ITEMS, ("item",), domain)
        reports.append(second)
    known = complete_items(known, events, " and ".join(r.path for r in reports))
    if facts is not None:
        facts, third = _table(facts, FACTS, tuple(FACTS), domain)
        reports.append(third)
    name = about.get("name", source.name.split(".")[0])
    return Corpus(events, known, facts, name, about.get("clock", clock), tuple(reports))


def _in(folder: Path, stem: str, optional: bool = False) -> Path | None:
    found = next(
        (folder / f"{stem}{s}" for s in SUFFIXES if (folder / f"{stem}{s}").is_file()), None
    )
    if found is None and not optional:
        raise DataError(f"{folder} holds no {stem} table; expected {stem}.parquet, .csv or .csv.gz")
    return found


def _about(folder: Path) -> dict:
    path = folder / "corpus.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["clock"] not in ("unix", "day", "order"):
            raise KeyError(about["clock"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{path}: {error}; expected {{"name": ..., "clock": "unix", "day" or "order"}}'
        ) from None
    return about


def _table(
    path: str | Path, schema: dict, needed: tuple, domain: str
) -> tuple[pl.DataFrame, FileReport]:
    expected = f"a tidy table (Parquet, CSV or CSV.gz) with the columns {', '.join(schema)}"
    path = existing(path, expected)
    try:
        # All CSV columns as text: an id such as 0012 must not become a number.
        frame = (
            pl.read_parquet(path)
            if path.suffix == ".parquet"
            else pl.read_csv(path, infer_schema=False)
        )
    except (pl.exceptions.PolarsError, OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}; expected {expected}") from None
    require(path, frame.columns, needed, expected)
    if frame.is_empty() and schema is INTERACTIONS:
        raise DataError(f"{path} has no rows; expected {expected}")
    if "domain" in schema and "domain" not in frame.columns:
        frame = frame.with_columns(domain=pl.lit(domain))
    for column, dtype in schema.items():
        if column in frame.columns:
            frame = frame.with_columns(_typed(frame[column], dtype, path))
    for column in needed:
        if frame[column].null_count():
            row = frame[column].is_null().arg_true()[0] + 1
            raise DataError(f"{path}: no {column} in row {row}; expected one in every row")
    return conform(frame, schema), FileReport(str(path), frame.height, frame.height)


def _typed(values: pl.Series, dtype: pl.DataType, path: Path) -> pl.Series:
    try:
        if dtype == pl.List(pl.String) and values.dtype == pl.String:
            return values.str.json_decode(dtype)
        if dtype == pl.Int64 and values.dtype == pl.String:
            values = values.cast(pl.Float64)
        return values.cast(pl.String).cast(dtype) if dtype == pl.Categorical else values.cast(dtype)
    except pl.exceptions.PolarsError:
        loose = values.cast(dtype, strict=False) if dtype != pl.List(pl.String) else values
        bad = values.filter(loose.is_null() & values.is_not_null())
        shown = f" such as {bad[0]!r}" if len(bad) else ""
        raise DataError(
            f"{path}: column {values.name!r} holds values{shown}; expected {dtype}"
        ) from None
