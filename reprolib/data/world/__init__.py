"""The miniature world: a seeded synthetic population of users and items, written into the raw public formats.

Model, knobs and limits: docs/miniature-world.md.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus, DataError, join_domains
from reprolib.data.readers.amazon import read_amazon
from reprolib.data.readers.dbpedia import read_dbpedia
from reprolib.data.readers.goodreads import read_goodreads
from reprolib.data.readers.steam import read_steam
from reprolib.data.readers.yelp import read_yelp
from reprolib.data.world.domains import DOMAINS, SIZES, WORLDS
from reprolib.data.world.generate import VERSION, write_world
from reprolib.data.world.truth import TABLES
from reprolib.data.world.write_dbpedia import KINDS

__all__ = ["DOMAINS", "SIZES", "WORLDS", "make_world", "read_truth", "read_world"]

NAMES = {  # source -> names of the interaction file and of the metadata file
    "amazon2014": ("reviews_{}.json.gz", "meta_{}.json.gz"),
    "amazon2018": ("{}.json.gz", "meta_{}.json.gz"),
    "amazon2023": ("{}.jsonl.gz", "meta_{}.jsonl.gz"),
    "goodreads": ("goodreads_reviews.json.gz", "goodreads_books.json.gz"),
    "steam": ("australian_user_reviews.json.gz", "steam_games.json.gz"),
    "yelp": ("yelp_academic_dataset_review.json", "yelp_academic_dataset_business.json"),
}


def make_world(
    folder: str | Path,
    size: str = "quick",
    seed: int = 0,
    correlation: float = 0.8,
    text: float = 0.8,
    noise: float = 0.1,
) -> Path:
    """Write the world into the folder and return it; does nothing where the same world stands already.

    size         "smoke", "small", "quick" or "sparse"
    correlation  share of a user's persona and intent that two domains have in common; 0: nothing transfers
    text         share of wordings that tell an item's or user's true trait; 0: texts are independent of traits
    noise        share of events that are uniformly random
    For a user's own world: correlation, text, noise.

    An interrupted run leaves an older world as it was. Raises ValueError for a knob out of range, DataError for
    a folder that holds something else.
    """
    folder = Path(folder)
    knobs = {"size": size, "seed": seed, "correlation": correlation, "text": text, "noise": noise}
    check_knobs(knobs)
    if is_world(folder, knobs):
        return folder
    if (
        folder.exists()
        and not (folder / "world.json").is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise DataError(
            f"{folder}: holds something other than a miniature world; expected an empty or new folder"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch, "fresh")
        fresh.mkdir()
        write_world(fresh, knobs)
        if not is_world(folder, knobs):  # another process may have been faster
            if folder.exists():
                os.replace(folder, Path(scratch, "old"))
            os.replace(fresh, folder)
    return folder


def check_knobs(knobs: dict) -> None:
    """Raise ValueError for a knob out of range."""
    if knobs["size"] not in SIZES:
        raise ValueError(
            f"make_world: size {knobs['size']!r} is unknown; expected one of {', '.join(SIZES)}"
        )
    if not isinstance(knobs["seed"], int) or knobs["seed"] < 0:
        raise ValueError(f"make_world: seed {knobs['seed']!r} is no whole number from 0 on")
    for name in ("correlation", "text", "noise"):
        if not 0 <= knobs[name] <= 1:
            raise ValueError(f"make_world: {name} is {knobs[name]}; expected a number from 0 to 1")


def is_world(folder: Path, knobs: dict) -> bool:
    """Whether the folder holds the complete world of these knobs and this version."""
    try:
        described = json.loads((folder / "world.json").read_text(encoding="utf-8"))
        same = all(
            described[name] == value for name, value in {"version": VERSION, **knobs}.items()
        )
        return same and all((folder / name).is_file() for name in described["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_world(folder: str | Path, domains: Sequence[str] = ("food", "kitchen")) -> Corpus:
    """The domains as one Corpus, by the readers that serve real data; books and movies come with their facts.

    Raises DataError for a folder without world.json, an unknown domain, or one named twice.
    """
    folder, domains = world_folder(folder), list(domains)
    unknown = [name for name in domains if name not in DOMAINS]
    if unknown or not domains or len(set(domains)) < len(domains):
        raise DataError(
            f"read_world: domains {domains}: expected different names out of {', '.join(DOMAINS)}"
        )
    corpora = [read_domain(folder, name) for name in domains]
    return corpora[0] if len(corpora) == 1 else join_domains(*corpora, name="world")


def read_domain(folder: Path, name: str) -> Corpus:
    """One domain of the world."""
    source, how = DOMAINS[name].source, {"domain": name, "progress": False}
    events, about = (folder / part.format(DOMAINS[name].stem) for part in NAMES[source])
    if source == "goodreads":
        return read_goodreads(
            events, about, authors=folder / "goodreads_book_authors.json.gz", **how
        )
    if source in ("steam", "yelp"):
        return (read_steam if source == "steam" else read_yelp)(events, about, **how)
    corpus = read_amazon(events, about, **how)
    if name not in KINDS:
        return corpus
    facts, report = read_dbpedia(
        folder / "dbpedia_facts.nt.gz", folder / f"links_{name}.tsv", progress=False
    )
    return replace(corpus, facts=facts, reports=(*corpus.reports, report))


def read_truth(folder: str | Path, table: str) -> pl.DataFrame:
    """One table of what only the generator knows: traits, users, intents, items or reviews."""
    if table not in TABLES:
        raise DataError(
            f"read_truth: table {table!r} is unknown; expected one of {', '.join(TABLES)}"
        )
    return pl.read_parquet(world_folder(folder) / "truth" / f"{table}.parquet")


def world_folder(folder: str | Path) -> Path:
    """The folder; DataError where it holds no world."""
    if not Path(folder, "world.json").is_file():
        raise DataError(f"{folder}: has no world.json; expected a folder written by make_world")
    return Path(folder)
