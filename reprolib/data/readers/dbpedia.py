"""DBpedia facts from N-Triples, and the DBbook set, which brings its DBpedia facts as tables."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from reprolib.data.corpus import FACTS, Corpus, DataError, FileReport, conform
from reprolib.data.readers._finish import build
from reprolib.data.readers._formats import first_record, table_parsers
from reprolib.data.readers._records import Spec, read_records

TRIPLES = "N-Triples such as mappingbased-objects_lang=en.nt.gz"
LINKS = "links of items to DBpedia: item, (title,) URI, separated by tabs or commas"
DBBOOK = "a DBbook table such as props.tsv"
PREDICATES = (
    "author",
    "genre",
    "literaryGenre",
    "subject",
    "series",
    "publisher",
    "previousWork",
    "subsequentWork",
    "director",
    "starring",
    "writer",
    "producer",
    "musicComposer",
    "distributor",
    "developer",
    "country",
    "language",
)
NAMESPACES = r"^http://(dbpedia\.org/(resource|ontology|property)|purl\.org/dc/terms)/"
TRIPLE = (
    r"^\s*(<[^<>]*>|_:\S+)\s*<([^<>]*)>\s*"
    r'(<[^<>]*>|_:\S+|"(?:[^"\\]|\\.)*"(?:@[\w-]+|\^\^<[^<>]*>)?)\s*\.\s*(?:#.*)?$'
)
ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([tbnrf"\'\\]))')
PLAIN = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def read_dbpedia(
    triples: str | Path,
    links: str | Path | None = None,
    *,
    predicates: Sequence[str] | None = PREDICATES,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> tuple[pl.DataFrame, FileReport]:
    """Facts (subject, relation, object) from .nt, .nt.gz or .nt.bz2, and what was left out.

    links       a file item -> DBpedia URI: only facts about linked items are kept, with the item as subject
    predicates  local names ("author") or full URIs to keep; None keeps all
    Resources and relations of DBpedia and dcterms are named by their local name ("Diana_Gabaldon"); literals keep
    their text, those in another language than English are left out.
    For a user's own data: max_malformed (share of malformed lines above which reading fails with a DataError).
    """
    known = None if links is None else _links(links)

    def convert(frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.select(
            pl.col("line").str.extract_groups(TRIPLE).struct.rename_fields(["s", "p", "o"])
        )
        frame = frame.unnest("line").drop_nulls()
        if predicates is not None:
            names = pl.col("p"), pl.col("p").str.replace(r"^.*[/#]", "")
            frame = frame.filter(pl.any_horizontal(name.is_in(list(predicates)) for name in names))
        foreign = pl.col("o").str.contains(r'"@[\w-]+$') & ~pl.col("o").str.contains(
            r'"@en(-[\w-]+)?$'
        )
        frame = frame.filter(~foreign)
        frame = frame.with_columns(
            _decoded(frame["s"].str.strip_chars("<>")), _decoded(_bare(frame["o"]))
        )
        if known is not None:
            frame = frame.join(
                known, left_on="s", right_on="uri", maintain_order="left"
            ).with_columns(s="item")
        return frame.select(
            subject=_local(frame["s"]), relation=_local(frame["p"]), object=_local(frame["o"])
        )

    def fast(data: bytes) -> pl.DataFrame:
        lines = pl.Series("line", [data], dtype=pl.Binary).cast(pl.String).str.split("\n").explode()
        frame = pl.DataFrame({"line": lines.head(len(lines) - data.endswith(b"\n"))})
        whole = frame["line"].str.contains(TRIPLE) | frame["line"].str.contains(r"^\s*(#|$)")
        return frame if whole.all() else frame.head(0)

    spec = Spec({"line": pl.String}, slow=_triple, fast=fast, convert=convert)
    facts, report = read_records(
        triples, spec, TRIPLES, progress=progress, max_malformed=max_malformed
    )
    facts = facts.unique(maintain_order=True)
    if facts.is_empty():
        raise DataError(
            f"{triples}: none of its {report.lines:,} lines is a wanted fact"
            + (f" about an item of {links}" if links else "")
            + "; expected other predicates or links"
        )
    return conform(facts, FACTS), replace(report, kept=facts.height)


def _triple(line: str) -> list[dict]:
    if line.lstrip().startswith("#"):
        return []
    if re.match(TRIPLE, line) is None:
        raise ValueError(f"not an N-Triple (<subject> <predicate> object .): {line[:60]!r}")
    return [{"line": line}]


def _bare(objects: pl.Series) -> pl.Series:
    objects = objects.str.replace(r"^<(.*)>$", "$1")
    return objects.str.replace(r'^"(.*)"(?:@[\w-]+|\^\^<[^<>]*>)?$', "$1")


def _decoded(texts: pl.Series) -> pl.Series:
    """Texts with N-Triples escapes resolved (\\u00e9, \\", \\n)."""
    escaped = texts.filter(texts.str.contains("\\", literal=True)).unique()
    if escaped.is_empty():
        return texts
    plain = [
        ESCAPE.sub(lambda m: PLAIN.get(m[3]) or chr(int(m[1] or m[2], 16)), text)
        for text in escaped
    ]
    return texts.replace(escaped, pl.Series(plain, dtype=pl.String))


def _local(uris: pl.Series) -> pl.Series:
    """Local names of DBpedia's own URIs, percent signs resolved; other texts as they are."""
    ours = uris.str.contains(NAMESPACES)
    names = uris.filter(ours & uris.str.contains("%", literal=True)).unique()
    if len(names):
        uris = uris.replace(names, pl.Series([unquote(name) for name in names], dtype=pl.String))
    return uris.str.replace(NAMESPACES, "")


def _links(path: str | Path) -> pl.DataFrame:
    separator, fields = first_record(path, LINKS)
    if isinstance(fields, dict) or len(fields) not in (2, 3):
        raise DataError(
            f"{path}: a link has two or three fields (item, title, URI); expected {LINKS}"
        )
    names = ["item", "uri"] if len(fields) == 2 else ["item", "title", "uri"]
    columns = {"item": pl.String, "uri": pl.String}
    header = not fields[-1].strip("<>").startswith("http")
    spec = Spec(
        columns, required=tuple(columns), header=header, **table_parsers(names, separator, columns)
    )
    frame = read_records(path, spec, LINKS, progress=False)[0]
    return frame.with_columns(pl.col("uri").str.strip_chars("<> "))


def read_dbbook(folder: str | Path, *, domain: str = "books", progress: bool = True) -> Corpus:
    """DBbook: likes and dislikes (rating 1, 0; clock "order") of train2id and test2id, titles, DBpedia facts.

    For a user's own data: domain, progress.
    """

    def table(stem: str, *names: str) -> tuple[pl.DataFrame, FileReport]:
        plain = Path(folder, f"{stem}.tsv")
        packed = Path(folder, f"{stem}.tsv.gz")
        path = packed if packed.is_file() and not plain.is_file() else plain
        columns = dict.fromkeys(names, pl.String)
        spec = Spec(columns, required=names, **table_parsers(list(names), "\t", columns))
        return read_records(path, spec, DBBOOK, progress=progress)

    parts = [table(stem, "user", "item", "rating") for stem in ("train2id", "test2id")]
    props, report = table("props", "item", "entity", "relation")
    names = table("mapping_props", "id", "name")[0]
    relations = table("mapping_relations", "id", "name")[0]
    interactions = pl.concat([frame for frame, _ in parts]).cast(
        {"user": pl.Categorical, "item": pl.Categorical, "rating": pl.Float32}
    )
    # "title;URI" for items; a bare URI (which may hold a semicolon) or "user7" for everything else.
    items = names.filter(pl.col("name").str.contains(r";https?://[^;]*$"))
    items = items.select(item="id", title=pl.col("name").str.replace(r";https?://[^;]*$", ""))
    called = {"return_dtype": pl.String, "default": None}
    entity = props["entity"].replace_strict(names["id"], names["name"], **called)
    relation = props["relation"].replace_strict(relations["id"], relations["name"], **called)
    facts = pl.DataFrame(
        {"subject": props["item"], "relation": _local(relation), "object": _local(entity)}
    )
    reports = (*(seen for _, seen in parts), report)
    return build(interactions, items, domain=domain, reports=reports, facts=facts, name="dbbook")
