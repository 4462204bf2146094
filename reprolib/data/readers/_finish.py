"""From a reader's frames to a Corpus: the clock, complete items, readable titles."""

import html

import polars as pl

from reprolib.data.corpus import INTERACTIONS, ITEMS, Corpus, DataError, FileReport, conform
from reprolib.data.readers._records import read_records

DAY = 86_400


def read_pair(
    interactions: tuple, items: tuple | None, *, domain: str, progress: bool, max_malformed: float
) -> Corpus:
    """A Corpus of one domain from two files, each given as (path, Spec, what is expected there)."""
    pairs = [interactions] if items is None else [interactions, items]
    read = [read_records(*pair, progress=progress, max_malformed=max_malformed) for pair in pairs]
    frames, reports = zip(*read, strict=True)
    return build(frames[0], frames[1] if items else None, domain=domain, reports=reports)


def build(
    interactions: pl.DataFrame,
    items: pl.DataFrame | None,
    *,
    domain: str,
    reports: tuple[FileReport, ...],
    facts: pl.DataFrame | None = None,
    name: str = "",
) -> Corpus:
    """A Corpus of one domain. Raises DataError when metadata and interactions have no item in common."""
    if interactions.is_empty():
        raise DataError(
            f"{reports[0].path}: no interaction could be read from {reports[0].lines:,} lines"
        )
    stamped, clock = with_clock(interactions)
    named = pl.lit(domain).alias("domain")
    stamped = conform(stamped.with_columns(named), INTERACTIONS)
    items = None if items is None else items.with_columns(named)
    items = complete_items(items, stamped, " and ".join(r.path for r in reports))
    return Corpus(stamped, items, facts, name or domain, clock, reports)


def with_clock(interactions: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The interactions with a timestamp, and the clock: without any time, positions in file order ("order")."""
    time = interactions["timestamp"] if "timestamp" in interactions.columns else pl.Series([None])
    if time.null_count() == len(time):
        position = pl.int_range(pl.len(), dtype=pl.Int64).over("user")
        return interactions.with_columns(position.alias("timestamp")), "order"
    return interactions, "unix" if (time % DAY != 0).any() else "day"


def complete_items(
    items: pl.DataFrame | None, interactions: pl.DataFrame, sources: str
) -> pl.DataFrame:
    """One row per (item, domain): the first metadata row, or nulls for an item that only the interactions know.

    Raises DataError when there is metadata, but for none of the interactions' items.
    """
    key = ["item", "domain"]
    used = interactions.select(key).unique(maintain_order=True)
    if items is None:
        return conform(used, ITEMS)
    items = conform(readable(items), ITEMS).unique(key, keep="first", maintain_order=True)
    missing = used.join(items, on=key, how="anti", maintain_order="left")
    if missing.height == used.height:
        raise DataError(
            f"{sources}: none of the {items.height:,} items with metadata is among the {used.height:,} "
            "items of the interactions; expected the metadata of the same items"
        )
    return pl.concat([items, conform(missing, ITEMS)])


def readable(items: pl.DataFrame) -> pl.DataFrame:
    """Items with HTML entities resolved ("Tom &amp; Jerry") and empty texts as nulls."""
    texts = [c for c in ("title", "description", "creator") if c in items.columns]
    items = items.with_columns(
        _unescaped(items[c]).str.strip_chars().replace("", None) for c in texts
    )
    if "categories" in items.columns:
        items = items.with_columns(_distinct(items["categories"]))
    return items


def _distinct(lists: pl.Series) -> pl.Series:
    """Each list with its entities resolved and without repetitions, in order; null lists stay null."""
    # Through one long column: list.unique and list.eval work list by list, some fifty times slower.
    rows = pl.DataFrame({"row": pl.int_range(len(lists), eager=True), "value": lists})
    parts = rows.explode("value").drop_nulls()
    parts = parts.with_columns(_unescaped(parts["value"]).str.strip_chars()).filter(
        pl.col("value") != ""
    )
    parts = parts.unique(maintain_order=True).group_by("row", maintain_order=True).agg("value")
    full = rows.select("row", bare=pl.col("value").is_null()).join(
        parts, on="row", how="left", maintain_order="left"
    )
    empty = pl.lit([], pl.List(pl.String))
    full = full.select(pl.when("bare").then(None).otherwise(pl.col("value").fill_null(empty)))
    return full.to_series().alias(lists.name)


def _unescaped(texts: pl.Series) -> pl.Series:
    escaped = texts.filter(texts.str.contains("&", literal=True)).unique().drop_nulls()
    if escaped.is_empty():
        return texts
    return texts.replace(
        escaped, pl.Series([html.unescape(text) for text in escaped], dtype=pl.String)
    )
