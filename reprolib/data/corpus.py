"""The Corpus: two tidy tables that every reader returns. Nothing is coded, split or filtered here."""

from dataclasses import dataclass, field, replace

import polars as pl

from reprolib.data.origin import Origin

INTERACTIONS = {
    "user": pl.Categorical,
    "item": pl.Categorical,
    "domain": pl.Categorical,
    "timestamp": pl.Int64,  # unix seconds, or the position in the sequence where Corpus.clock is "order"
    "rating": pl.Float32,
    "review": pl.String,
}
ITEMS = {
    "item": pl.Categorical,
    "domain": pl.Categorical,
    "title": pl.String,
    "description": pl.String,
    "creator": pl.String,  # brand, author, developer, city of a business
    "categories": pl.List(pl.String),
}
FACTS = {"subject": pl.String, "relation": pl.String, "object": pl.String}


class DataError(ValueError):
    """Bad input: one sentence that names the file (and line or column), what is wrong and what would be right."""


@dataclass(frozen=True)
class FileReport:
    """What a reader saw in one file: lines read, rows kept, and the malformed lines it left out."""

    path: str
    lines: int
    kept: int
    malformed: tuple[
        tuple[int, str], ...
    ] = ()  # (1-based line number, what was wrong), at most MAX_LISTED
    n_malformed: int = 0


@dataclass(frozen=True)
class Corpus:
    """Interactions and items of one or more domains.

    interactions  columns INTERACTIONS, one row per event, in file order; nulls where the source has no value
    items         columns ITEMS, one row per (item, domain); may hold items without interactions, never the reverse
    facts         columns FACTS, or None; `subject` is an item id where the source links items, else an entity name
    clock         "unix" (seconds), "day" (unix seconds at day resolution) or "order" (positions: comparable
                  within a user only, so that a global cut in time is refused)
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    facts: pl.DataFrame | None = None
    name: str = ""
    clock: str = "unix"
    reports: tuple[FileReport, ...] = field(default=())

    @property
    def domains(self) -> tuple[str, ...]:
        """Domain names, in order of appearance."""
        return tuple(
            self.interactions["domain"].unique(maintain_order=True).cast(pl.String).to_list()
        )

    @property
    def origin(self) -> Origin:
        """Its name and its number of users, for the line under a table."""
        return Origin(((self.name, self.interactions["user"].n_unique()),))

    def with_interactions(self, interactions: pl.DataFrame) -> "Corpus":
        """The same corpus with other interactions; items are kept as they are."""
        return replace(self, interactions=interactions)


def conform(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """The frame with exactly the schema's columns, in its order and types; a missing column becomes nulls."""
    columns = [pl.col(c) if c in frame.columns else pl.lit(None).alias(c) for c in schema]
    return frame.select(columns).cast(schema)


def join_domains(*corpora: Corpus, name: str = "") -> Corpus:
    """One corpus of several domains. Items that stand in two domains keep one row for each.

    Raises DataError when the clocks differ: positions and seconds cannot be merged.
    """
    clocks = {c.clock for c in corpora}
    if clocks == {"unix", "day"}:
        clocks = {"day"}
    if len(clocks) != 1:
        raise DataError(
            f"join_domains: the corpora keep time differently ({', '.join(sorted(clocks))}); "
            "only corpora with the same clock can be merged by time"
        )
    facts = [c.facts for c in corpora if c.facts is not None]
    return Corpus(
        interactions=pl.concat([c.interactions for c in corpora]),
        items=pl.concat([c.items for c in corpora]),
        facts=pl.concat(facts) if facts else None,
        name=name or "+".join(c.name for c in corpora),
        clock=clocks.pop(),
        reports=sum((c.reports for c in corpora), ()),
    )
