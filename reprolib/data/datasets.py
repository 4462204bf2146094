"""Data sets by name, prepared the same way everywhere: `load_split("world-quick/food-kitchen", "kitchen", "food")`."""

import functools
from functools import partial
from pathlib import Path

import pandas as pd

from reprolib.data import prepare as p
from reprolib.data.corpus import Corpus, DataError
from reprolib.data.split import Split, check_no_leak, leave_one_out, temporal_cut

FIVE_CORE = (p.drop_duplicates, partial(p.k_core, users=5, items=5, per_domain=True))
PAIR = (*FIVE_CORE, partial(p.minimum_per_domain, events=3))
PROTOCOLS = {
    "leave-one-out": leave_one_out,
    "temporal": temporal_cut,
    "leave-one-out, leak open": partial(leave_one_out, leak=True),
}


@functools.lru_cache(maxsize=8)
def load_corpus(name: str, data_dir: str | None = None) -> tuple[Corpus, pd.DataFrame]:
    """The prepared corpus and its audit.

    name  "world-SIZE/DOMAIN" or "world-SIZE/DOMAIN-DOMAIN": the miniature world of that size (made on first use);
          else a real set of the registry (`reprolib data list`), looked for in data_dir or $REPROLIB_DATA
    Worlds become 5-cores per domain, pairs keep users with 3 events in each domain; real sets stay as published.
    """
    if name.startswith("world-"):
        size, _, domains = name.removeprefix("world-").partition("/")
        corpus = _world(name, size, tuple(domains.split("-")))
        return p.prepare(corpus, *(PAIR if "-" in domains else FIVE_CORE))
    from reprolib.data.sources.registry import load

    corpus = load(name, data_dir)
    return p.prepare(corpus, p.drop_duplicates)


@functools.lru_cache(maxsize=16)
def load_split(
    name: str,
    target: str | None = None,
    source: str | None = None,
    protocol: str = "leave-one-out",
    data_dir: str | None = None,
) -> Split:
    """A split of the named data set, checked for leaks (but where the protocol opens one on purpose)."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r} is unknown; use one of {', '.join(PROTOCOLS)}")
    split = PROTOCOLS[protocol](load_corpus(name, data_dir)[0], target, source)
    if not split.leak:
        check_no_leak(split)
    return split


def world_folder(size: str, seed: int = 0) -> Path:
    """Folder of the default miniature world of that size, made on first use."""
    from reprolib.cache import cache_dir
    from reprolib.data.world import make_world

    return make_world(cache_dir() / "worlds" / f"{size}-{seed}", size=size, seed=seed)


def _world(name: str, size: str, domains: tuple[str, ...]) -> Corpus:
    from dataclasses import replace

    from reprolib.data.world import SIZES, read_world

    if size not in SIZES or not domains[0]:
        raise DataError(
            f"data set {name!r}: a world is named world-SIZE/DOMAIN or world-SIZE/DOMAIN-DOMAIN with SIZE "
            f"one of {', '.join(SIZES)}, for example world-quick/food-kitchen"
        )
    return replace(read_world(world_folder(size), domains), name=name)
