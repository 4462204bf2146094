"""Published research sets to a Corpus. Each converter takes a folder with the originals, plain or as .gz."""

import io
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from reprolib.data.corpus import INTERACTIONS, Corpus, DataError, FileReport, conform
from reprolib.data.readers import (
    read_amazon,
    read_goodreads,
    read_movielens,
    read_steam,
    read_yelp,
)
from reprolib.data.readers._finish import complete_items, with_clock
from reprolib.data.readers._stream import blocks
from reprolib.data.sources import graph_converters

AB = ("A", "B")
TITLES = "a pickled dictionary asin -> title"


class Absent(DataError):
    """A file of the set is not there."""


def find(folder: Path, *names: str, optional: bool = False) -> Path | None:
    """The first of the named files (patterns allowed) that the folder or a folder in it holds, plain or as .gz."""
    for name in names:
        for pattern in (name, f"{name}.gz", f"*/{name}", f"*/{name}.gz"):
            if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
                return found[0]
    if optional:
        return None
    raise Absent(
        f"{folder} holds no {' or '.join(names)} (plain or .gz); expected the original files of the set"
    )


def abxi(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """ABXI: lines `user item|time ...` with indices, and two JSON maps. Titles come from LLMCDSR's files."""
    users = {index: user for user, index in _json(folder, "map_user_50.txt").items()}
    items = {
        index: (asin, domains[side])
        for asin, (index, side) in _json(folder, "map_item_50.txt").items()
    }
    path, rows = find(folder, "afk_50_preprocessed.txt"), []
    for number, line in _lines(path):
        try:
            user, *events = line.split()
            for event in events:
                item, time = event.split("|")
                rows.append((users[int(user)], *items[int(item)], int(time)))
        except (ValueError, KeyError):
            raise _fault(
                path, number, line, "user item|time item|time ... with indices of both maps"
            ) from None
    return _corpus(rows, items.values(), folder, path)


def c2dsr(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """C2DSR: validation then test sequences `user TAB n TAB item|time|date| ...`; B's indices follow A's."""
    sides = [
        [line.split("\t")[1] for _, line in _lines(find(folder, f"items_{side}.txt"))]
        for side in "ab"
    ]
    items = [(asin, domain) for side, domain in zip(sides, domains, strict=True) for asin in side]
    users = {
        index: user
        for user, index in (line.split("\t") for _, line in _lines(find(folder, "userlist.txt")))
    }
    rows, paths = [], [find(folder, f"{stage}_new.txt") for stage in ("val", "test")]
    for path in paths:
        for number, line in _lines(path):
            try:
                user, _, *events = line.split("\t")
                for event in filter(None, events):
                    item, time, _ = event.split("|", 2)
                    rows.append((users[user], *items[int(item)], int(time)))
            except (ValueError, KeyError, IndexError):
                raise _fault(
                    path, number, line, "user TAB n TAB item|time|date| ... with listed indices"
                ) from None
    return _corpus(rows, items, folder, *paths)


def pairs(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """SASRec: lines `user item`, a user's lines in time order."""
    path, rows = find(folder, "Video.txt"), []
    for number, line in _lines(path):
        if len(fields := line.split()) != 2:
            raise _fault(path, number, line, "user item")
        rows.append((*fields, domains[0], None))
    return _corpus(rows, None, folder, path)


def s3rec(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """S3-Rec: lines `user item item ...` in time order; items' attribute numbers become categories."""
    stem = {"beauty": "Beauty", "sports": "Sports_and_Outdoors", "yelp": "Yelp"}[domains[0]]
    path, rows = find(folder, f"{stem}.txt"), []
    for number, line in _lines(path):
        user, *items = line.split()
        if not items:
            raise _fault(path, number, line, "user item item ...")
        rows += [(user, item, domains[0], None) for item in items]
    attributes = _json(folder, f"{stem}_item2attributes.json")
    known = pl.DataFrame(
        {"item": list(attributes), "categories": [[str(n) for n in v] for v in attributes.values()]}
    )
    return _corpus(rows, None, folder, path, known=known.with_columns(domain=pl.lit(domains[0])))


def tricdr(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """Tri-CDR: one table `user_id, position, domain, asin` of the mixed sequences (converted from its pickles)."""
    path = find(folder, "sequences.csv")
    frame = pl.read_csv(path, columns=["user_id", "position", "domain", "asin"])
    unknown = set(frame["domain"].unique()) - set(domains)
    if unknown:
        raise DataError(f"{path}: domain {min(unknown)!r}; expected {' or '.join(domains)}")
    rows = frame.select(user="user_id", item="asin", domain="domain", timestamp="position")
    return _corpus(rows, None, folder, path, clock="order")


def xrec(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """XRec: tables `user,item` of training, validation and test, one after the other. Nothing tells the time: a user's
    order is that of the files. Titles and LLM-written item profiles where a table of them is there."""
    parts = [find(folder, f"total_{part}.csv") for part in ("trn", "val", "tst")]
    try:
        rows = pl.concat(
            [pl.read_csv(part, columns=["user", "item"], infer_schema=False) for part in parts]
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{parts[0]}: {str(error).splitlines()[0]}; expected columns user,item"
        ) from None
    domain = pl.lit(domains[0]).alias("domain")
    table, known = find(folder, "tst_profiles_explanations.csv", optional=True), None
    if table is not None:
        told = pl.read_csv(table, columns=["iid", "title", "item_summary"], infer_schema=False)
        known = told.select("title", domain, item="iid", description="item_summary").unique(
            "item", maintain_order=True
        )
    return _corpus(
        rows.with_columns(domain, timestamp=None), None, folder, *parts, known=known, clock="order"
    )


def xrec_profiles(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """The part of XRec's data whose items have an LLM-written profile: the others have neither title nor text."""
    find(folder, "tst_profiles_explanations.csv")
    whole = xrec(folder, domains)
    told = whole.items.filter(pl.col("description").is_not_null())
    kept = whole.interactions.join(told, on=["item", "domain"], how="semi", maintain_order="left")
    return replace(whole, interactions=kept, items=told)


def exp3rt(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """EXP3RT: lines `user item item ...` of training and test with indices, and two lists `id index`. Nothing tells the
    time: a user's test items stand after the training items."""
    names = [
        dict(reversed(line.split()) for _, line in _lines(find(folder, f"{side}_list.txt")) if line)
        for side in ("user", "item")
    ]
    rows, paths = [], [find(folder, f"{stage}.txt") for stage in ("train", "test")]
    for path in paths:
        for number, line in _lines(path):
            try:
                user, *items = line.split()
                rows += [(names[0][user], names[1][item], domains[0], None) for item in items]
            except (ValueError, KeyError):
                raise _fault(
                    path, number, line, "user item item ... with indices of both lists"
                ) from None
    return _corpus(rows, None, folder, *paths)


def amazon(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """Amazon reviews and metadata of any vintage, as downloaded."""
    reviews = find(
        folder, "reviews_*.json", "*_5.json", "[!m]*.jsonl", "[!m]*.json.gz", "*_5*.json"
    )
    return read_amazon(
        reviews, find(folder, "meta_*.json", "meta_*.jsonl", optional=True), domain=domains[0]
    )


def movielens(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """MovieLens 100K, 1M or latest."""
    ratings = find(folder, "u.data", "ratings.dat", "ratings.csv")
    return read_movielens(
        ratings, find(folder, "u.item", "movies.dat", "movies.csv"), domain=domains[0]
    )


def goodreads(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """UCSD Goodreads: reviews, books and authors."""
    parts = [
        find(folder, f"goodreads_{part}.json")
        for part in ("reviews_dedup", "books", "book_authors")
    ]
    return read_goodreads(parts[0], parts[1], authors=parts[2], domain=domains[0])


def steam(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """UCSD Steam: either review file, and the games."""
    reviews = find(folder, "australian_user_reviews.json", "steam_reviews.json", "user_reviews.csv")
    return read_steam(reviews, find(folder, "steam_games.json"), domain=domains[0])


def yelp(folder: Path, domains: tuple[str, ...]) -> Corpus:
    """The Yelp Open Dataset."""
    parts = [find(folder, f"yelp_academic_dataset_{part}.json") for part in ("review", "business")]
    return read_yelp(*parts, domain=domains[0])


CONVERTERS: dict[str, Callable[[Path, tuple[str, ...]], Corpus]] = {
    f.__name__: f
    for f in (
        abxi,
        c2dsr,
        pairs,
        s3rec,
        tricdr,
        xrec,
        xrec_profiles,
        exp3rt,
        amazon,
        movielens,
        goodreads,
        steam,
        yelp,
        graph_converters.dbbook,
        graph_converters.facebook_books,
        graph_converters.movielens_dbpedia,
        graph_converters.movielens_freebase,
        graph_converters.amazon_kg,
    )
}


class _Plain(pickle.Unpickler):
    """Refuses every class and function: what is left of pickle are plain containers, texts and numbers."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_titles(path: str | Path) -> dict[str, str]:
    """asin -> title from a pickled plain dictionary. Nothing that a pickle could run is ever run: DataError instead."""
    try:
        titles = _Plain(io.BytesIO(Path(path).read_bytes())).load()
    except Exception as error:
        raise DataError(f"{path}: {error}; expected {TITLES}") from None
    if not isinstance(titles, dict) or not all(
        isinstance(part, str) for pair in titles.items() for part in pair
    ):
        raise DataError(f"{path} holds something else; expected {TITLES}")
    return titles


def _titles(folder: Path) -> dict[str, str]:
    table = find(folder, "items.csv", optional=True)
    if table is not None:
        rows = pl.read_csv(table, columns=["asin", "title"], infer_schema=False).drop_nulls()
        return dict(rows.filter(pl.col("title") != "").iter_rows())
    found = [find(folder, f"text_{side}.pkl", optional=True) for side in AB]
    return {
        asin: title
        for path in found
        if path is not None
        for asin, title in read_titles(path).items()
    }


def _corpus(
    rows, items, folder: Path, *paths: Path, known: pl.DataFrame | None = None, clock: str = ""
) -> Corpus:
    if not isinstance(rows, pl.DataFrame):
        rows = pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")
    stamped, seen = with_clock(rows)
    events = conform(stamped, INTERACTIONS)
    if items is not None:
        known = pl.DataFrame(list(items), schema=["item", "domain"], orient="row")
        titles = _titles(folder)
        known = known.with_columns(
            title=known["item"].replace_strict(titles, default=None, return_dtype=pl.String)
        )
    reports = tuple(FileReport(str(path), len(events), len(events)) for path in paths[:1])
    return Corpus(
        events,
        complete_items(known, events, str(folder)),
        None,
        folder.name,
        clock or seen,
        reports,
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for first, data in blocks(path, "a text file of the set"):
        try:
            yield from enumerate(data.decode().splitlines(), first)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: not UTF-8 at byte {error.start + 1}; expected the original file"
            ) from None


def _json(folder: Path, name: str) -> dict:
    path = find(folder, name)
    try:
        content = json.loads(b"".join(data for _, data in blocks(path, "a JSON map")))
    except ValueError as error:
        raise DataError(f"{path}: {error}; expected a JSON map") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}; expected a JSON map")
    return content


def _fault(path: Path, number: int, line: str, right: str) -> DataError:
    return DataError(f"{path}, line {number}: {line[:60]!r}; expected {right}")
