"""Known public data sets by name: where they come from, how they are downloaded, how they become a Corpus."""

import difflib
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reprolib.data.corpus import Corpus, DataError

SOURCES = Path(__file__).with_name("sources.yaml")
FAMILY = "{category}"


@dataclass(frozen=True)
class Source:
    """One data set of sources.yaml; a family is resolved to one category (see `source`)."""

    name: str
    about: str
    terms: str
    cite: str
    convert: str | None = None
    domains: tuple[str, ...] = ()
    files: tuple[Mapping, ...] = ()
    folder: str | None = None
    manual: str | None = None
    categories: tuple[str, ...] = ()

    @property
    def bytes(self) -> int | None:
        """Size of the download, where all files' sizes are known."""
        sizes = [file.get("bytes") for file in self.files]
        return sum(sizes) if sizes and None not in sizes else None


@functools.cache
def sources() -> dict[str, Source]:
    """All sets and families of sources.yaml, by name."""
    import yaml

    content = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))
    found = {}
    for name, entry in content["sources"].items():
        lists = {
            key: tuple(entry[key]) for key in ("domains", "files", "categories") if key in entry
        }
        terms, cite = content["terms"][entry["terms"]], entry["cite"]
        for key, words in content["cite"].items():
            cite = cite.replace(key, words) if cite == key or cite.endswith(f"; {key}") else cite
        found[name] = Source(name, **{**entry, **lists, "terms": terms, "cite": cite})
    return found


def source(name: str) -> Source:
    """The set of that name, such as "movielens-100k" or "amazon2014/Books". Raises DataError with the nearest names."""
    known = sources()
    if name in known and FAMILY not in name:
        return known[name]
    head, _, category = name.partition("/")
    family = known.get(f"{head}/{FAMILY}")
    if family is not None and category in family.categories:
        files = tuple(
            {k: v.replace(FAMILY, category) if isinstance(v, str) else v for k, v in file.items()}
            for file in family.files
        )
        return replace(family, name=name, files=files, domains=(category,), categories=())
    names = [n for n in known if FAMILY not in n]
    names += [n.replace(FAMILY, c) for n, s in known.items() for c in s.categories]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    raise DataError(
        f"{name!r} is no known data set; "
        + (f"did you mean {', '.join(near)}? " if near else "")
        + "`reprolib data list` shows all"
    )


def data_folder(data_dir: str | Path | None = None) -> Path:
    """`data_dir`, else $REPROLIB_DATA, else the data folder in the user's cache."""
    from reprolib.cache import cache_dir

    return Path(data_dir or os.environ.get("REPROLIB_DATA") or cache_dir() / "data").expanduser()


def locate(found: Source, data_dir: str | Path | None = None) -> Path | None:
    """The folder that holds the set, or None: its own name first, then the name a copy may have."""
    root = data_folder(data_dir)
    places = [root / found.name] + ([root / found.folder] if found.folder else [])
    return next((place for place in places if place.is_dir() and any(place.iterdir())), None)


def load(name: str, data_dir: str | Path | None = None) -> Corpus:
    """The named set as a Corpus, from its tidy form or from its original files below the data folder.

    Raises DataError that shows the command which downloads the set where it is absent.
    """
    from reprolib.data.readers import read_tidy
    from reprolib.data.sources.converters import Absent

    found = source(name)
    folder = locate(found, data_dir)
    command = f"get it with\n    reprolib data get {name}"
    if folder is None:
        raise DataError(f"data set {name} is absent from {data_folder(data_dir)}; {command}")
    if (folder / "corpus.json").is_file():
        return read_tidy(folder)
    try:
        return convert(found, folder)
    except Absent as error:
        raise DataError(f"data set {name} is incomplete: {error}; {command}") from None


def convert(found: Source, folder: Path) -> Corpus:
    """The Corpus of a set whose original files lie in `folder`."""
    from reprolib.data.sources.converters import CONVERTERS

    if found.convert is None:
        raise DataError(
            f"{found.name} ({folder}) holds no interactions to recommend from. It is: {found.about}"
        )
    return replace(CONVERTERS[found.convert](folder, found.domains), name=found.name)


def get(name: str, data_dir: str | Path | None = None) -> Path:
    """Download a set below the data folder, check it, unpack it and write its tidy form; returns its folder.

    An interrupted download goes on where it stopped; what is there already is only checked. Raises DataError where
    the set cannot be downloaded, with what to do instead.
    """
    from reprolib.data.readers import write_tidy
    from reprolib.data.sources.download import fetch, unpack

    found = source(name)
    folder = data_folder(data_dir) / name
    if found.manual:
        raise DataError(f"{name} cannot be downloaded by this command: {found.manual} ({folder})")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be made ({error.strerror}); choose another folder with --to"
        ) from None
    for file in found.files:
        path = fetch(file["url"], folder / file["name"], file.get("sha256"))
        if file.get("unpack"):
            unpack(path, folder)
        for pattern, known in file.get("content", {}).items():
            _check(folder, pattern, known)
    if found.convert is not None:
        write_tidy(convert(found, folder), folder)
    return folder


def _check(folder: Path, pattern: str, known: str) -> None:
    from reprolib.data.sources.converters import find
    from reprolib.data.sources.download import content_hash

    path = find(folder, pattern)
    if content_hash(path) != known:
        raise DataError(
            f"{path}: its content has not the published checksum ({known[:12]}...); the source has changed"
        )
