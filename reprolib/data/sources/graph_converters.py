"""Published sets that come with a knowledge graph, to a Corpus with facts. Files are plain or .gz."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from reprolib.data.corpus import FACTS, INTERACTIONS, Corpus, DataError, FileReport, conform
from reprolib.data.readers import read_movielens
from reprolib.data.readers._finish import complete_items, with_clock
from reprolib.data.readers.dbpedia import read_dbbook

RESOURCE = "http://dbpedia.org/resource/"
AMAZON_KG = {"books": "Books", "movies": "Movies_and_TV"}


def dbbook(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """DBbook: likes alone (label 1), titles, DBpedia facts. No times: positions in file order, which mean nothing."""
    corpus = read_dbbook(folder, domain=domains[0], progress=False)
    return corpus.with_interactions(corpus.interactions.filter(pl.col("rating") > 0))


def facebook_books(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """Facebook Books: likes, titles from the resources' names, direct DBpedia properties.

    The objects' names are not published, so a fact's object is a number; chains of two properties are left out.
    """
    likes = _table(_find(folder, "dataset.tsv"), ["user", "item", "rating"])
    links = _table(_find(folder, "linking.tsv"), ["item", "uri"])
    items = links.select("item", title=_title(pl.col("uri")))
    chains = _table(_find(folder, "predicate_mapping.tsv"), ["chain", "predicate", "hops"])
    direct = chains.filter(pl.col("hops") == "1").select("predicate", relation=_local("chain"))
    features = _table(_find(folder, "item_features.tsv"), ["item", "predicate", "object"])
    facts = features.join(direct, on="predicate", maintain_order="left")
    numbered = pl.concat_str(pl.lit("object "), pl.col("object"))
    facts = facts.select(subject="item", relation="relation", object=numbered)
    return _corpus(likes, items, facts, domains[0], folder)


def movielens_dbpedia(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """MovieLens latest-small with DBpedia's categories (dct:subject) of the movies that Elliot's mapping covers."""
    corpus = read_movielens(
        _find(folder, "ratings.csv"),
        _find(folder, "movies.csv"),
        domain=domains[0],
        progress=False,
    )
    names = _table(_find(folder, "features.tsv"), ["number", "name"])
    name_of = dict(names.iter_rows())
    path = _find(folder, "map.tsv")
    rows = []
    for number, line in enumerate(_lines(path), start=1):
        movie, *features = line.split("\t")
        for feature in features:
            if feature not in name_of:
                raise DataError(
                    f"{path}, line {number}: feature {feature!r} is not in features.tsv; expected its numbers"
                )
            relation, _, entity = name_of[feature].strip("<>").partition("><")
            rows.append((movie, _plain(relation), _plain(entity)))
    facts = pl.DataFrame(rows, schema=list(FACTS), orient="row")
    return replace(corpus, facts=_of_items(facts, corpus.interactions), name=folder.name)


def movielens_freebase(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """MovieLens 100K with RecBole's Freebase triples: each that a linked movie stands in, on either side."""
    corpus = read_movielens(
        _find(folder, "u.data"), _find(folder, "u.item"), domain=domains[0], progress=False
    )
    links = _table(_find(folder, "ml-100k.link"), ["item", "entity"], header=True)
    triples = _table(_find(folder, "ml-100k.kg"), ["head", "relation", "tail"], header=True)
    forward = links.join(triples, left_on="entity", right_on="head", maintain_order="left")
    backward = links.join(triples, left_on="entity", right_on="tail", maintain_order="left")
    facts = pl.concat(
        [
            forward.select(subject="item", relation="relation", object="tail"),
            backward.select(subject="item", relation="relation", object="head"),
        ]
    )
    return replace(corpus, facts=_of_items(facts, corpus.interactions), name=folder.name)


def amazon_kg(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """Amazon-KG v2.0 of one or both domains: events without times, titles of v1, attributes of books.

    The relations' names are lost in the attributes, and movies have none; an item's own resource is a fact "sameAs".
    """
    events, items, facts = [], [], []
    for domain in domains:
        kind = AMAZON_KG[domain]
        path = _find(folder, f"Amazon-KG-5core-{kind}.inter")
        likes = _table(path, ["user", "item", "rating"], header=True)
        events.append(likes.with_columns(domain=pl.lit(domain)))
        links = _table(
            _find(folder, f"Amazon-KG-5core-{kind}.link"), ["item", "object"], header=True
        )
        links = links.with_columns(pl.col("object").str.replace("^res:", ""))
        facts.append(links.select(subject="item", relation=pl.lit("sameAs"), object="object"))
        facts.append(_attributes(folder, kind))
        titles = _table(_find(folder, f"items_{kind}.csv"), ["item", "title", "uri"], header=True)
        titles = titles.select(
            "item", title=pl.col("title").str.replace_all(".*", " ", literal=True)
        )
        entity = links.unique("item", keep="first", maintain_order=True)
        known = entity.join(titles.unique("item"), on="item", how="left", maintain_order="left")
        title = pl.coalesce("title", _title(pl.col("object")))
        items.append(known.select("item", title=title, domain=pl.lit(domain)))
    return _corpus(pl.concat(events), pl.concat(items), pl.concat(facts), None, folder)


def _attributes(folder: Path, kind: str) -> pl.DataFrame:
    """Facts of `item_metadata_<kind>.csv` ("iid", then any number of attributes); none where the file is absent."""
    rows = []
    found = [p for p in folder.glob(f"*/item_metadata_{kind}.csv*") if p.is_file()]
    for path in found[:1]:
        for line in list(_lines(path))[1:]:
            item, *attributes = line.split("\t")
            rows += [(item, "attribute", attribute) for attribute in attributes if attribute]
    return pl.DataFrame(rows, schema=FACTS, orient="row")


def _corpus(
    events: pl.DataFrame,
    items: pl.DataFrame,
    facts: pl.DataFrame,
    domain: str | None,
    folder: Path,
) -> Corpus:
    """A Corpus of events (user, item, rating), items (item, title) and facts; `domain` where the frames name none."""
    if domain is not None:
        events = events.with_columns(domain=pl.lit(domain))
        items = items.with_columns(domain=pl.lit(domain))
    stamped, clock = with_clock(events.with_columns(pl.col("rating").cast(pl.Float32)))
    stamped = conform(stamped, INTERACTIONS)
    kinds = {"item": pl.Categorical, "domain": pl.Categorical}
    complete = complete_items(items.cast(kinds), stamped, str(folder))
    reports = (FileReport(str(folder), len(stamped), len(stamped)),)
    return Corpus(stamped, complete, _of_items(facts, stamped), folder.name, clock, reports)


def _of_items(facts: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The facts about items that somebody met, each once."""
    met = events.select(pl.col("item").cast(pl.String).alias("subject")).unique()
    kept = facts.join(met, on="subject", how="semi", maintain_order="left")
    return conform(kept.unique(maintain_order=True), FACTS)


def _find(folder: Path, name: str) -> Path:
    from reprolib.data.sources.converters import find

    return find(folder, name)


def _lines(path: Path) -> list[str]:
    from reprolib.data.sources.converters import _lines as numbered

    return [line for _, line in numbered(path)]


def _table(path: Path, names: list[str], header: bool = False) -> pl.DataFrame:
    """A tab-separated file as text columns. Raises DataError where a line has another number of fields."""
    rows = [line.split("\t") for line in _lines(path)[int(header) :] if line]
    wrong = next((number for number, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        raise DataError(
            f"{path}, line {wrong + 1 + header}: {len(rows[wrong])} fields; expected {len(names)}, "
            f"separated by tabs: {', '.join(names)}"
        )
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _plain(uri: str) -> str:
    """The local name of a DBpedia or dcterms URI."""
    return unquote(uri).removeprefix(RESOURCE).rpartition("/")[2]


def _local(column: str) -> pl.Expr:
    return pl.col(column).str.replace(r"^.*[/#]", "")


def _title(uri: pl.Expr) -> pl.Expr:
    """The name of a resource as a title: "Rising_Sun_(novel)" is "Rising Sun"."""
    plain = uri.str.replace(RESOURCE, "", literal=True).str.replace("^res:", "")
    return plain.str.replace_all("_", " ", literal=True).str.replace(r" \([^)]*\)$", "")
