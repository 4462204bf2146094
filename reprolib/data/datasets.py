"""Data sets by name, prepared the same way everywhere: `load_dataset("world-quick/food-kitchen", "kitchen->food")`."""

import difflib
import functools
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import polars as pl

from reprolib.data import prepare as p
from reprolib.data.corpus import Corpus, DataError, join_domains
from reprolib.data.dataset import Dataset
from reprolib.data.split import (
    ARROW,
    Split,
    check_no_leak,
    leave_one_out,
    parse_direction,
    temporal_cut,
)

PROTOCOLS = {
    "leave-one-out": leave_one_out,
    "temporal": temporal_cut,
    "leave-one-out, leak open": partial(leave_one_out, leak=True),
}
DISJOINT = (
    "|"  # between two sets whose users have nothing to do with each other: "goodreads | steam"
)
WORLD = "world-"
WORLD_SEED = 0  # of the worlds that are data sets


@functools.lru_cache(maxsize=16)
def load_dataset(
    name: str, direction: str, protocol: str = "leave-one-out", data_dir: str | None = None
) -> Dataset:
    """A data set cut for one direction, with its texts.

    name       see `load_corpus`
    direction  "source->target", "source+source->target", one domain, or "all" (see `parse_direction`)
    protocol   one of PROTOCOLS
    data_dir   folder of real data sets; default $REPROLIB_DATA
    Raises DataError on an unknown name or domain.
    """
    split = load_split(name, direction, protocol, data_dir)
    return Dataset(split, load_corpus(name, data_dir)[0])


@functools.lru_cache(maxsize=16)
def load_split(
    name: str, direction: str, protocol: str = "leave-one-out", data_dir: str | None = None
) -> Split:
    """The split alone, checked for leaks (but where the protocol opens one on purpose); see `load_dataset`."""
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol {protocol!r} is unknown; use one of {', '.join(PROTOCOLS)}")
    source, target = parse_direction(direction)
    split = PROTOCOLS[protocol](load_corpus(name, data_dir)[0], target, source)
    if not split.leak:
        check_no_leak(split)
    return split


@functools.lru_cache(maxsize=8)
def load_corpus(name: str, data_dir: str | None = None) -> tuple[Corpus, pd.DataFrame]:
    """The prepared corpus and its audit.

    name  "world-NAME/DOMAIN" or "world-NAME/DOMAIN-DOMAIN" (two or more): the miniature world of that name (one of
          WORLDS), made on first use; else a real set of the registry (`reprolib data list`), looked for in data_dir or
          $REPROLIB_DATA; or several of these joined by "|": their users are kept apart, whatever their ids
    Worlds become 5-cores per domain, sparse ones keep rare items; domains joined by "-" keep the users with 3 events
    in each of them. Real sets stay as published, without repeated and undated events.
    """
    parts = [part.strip() for part in name.split(DISJOINT)]
    if len(parts) > 1:
        return _disjoint(parts, data_dir)
    if name.startswith(WORLD):
        size, domains = _world_parts(name)
        return p.prepare(_world(name, size, domains), *_world_steps(size, len(domains)))
    from reprolib.data.sources.registry import load

    corpus = load(name, data_dir)
    undated = corpus.interactions["timestamp"].null_count() > 0
    steps = (p.drop_undated, p.drop_duplicates) if undated else (p.drop_duplicates,)
    return p.prepare(corpus, *steps)


def directions_of(
    name: str, wanted: list[str] | None = None, data_dir: str | None = None
) -> list[str]:
    """The directions "source->target" between two domains of a data set, in the order of its domains.

    wanted  only these; empty or None: all
    Raises DataError where the data set has none of the wanted ones.
    """
    domains = load_corpus(name, data_dir)[0].domains
    pairs = itertools.permutations(domains, 2)
    every = [f"{source}{ARROW}{target}" for source, target in pairs]
    chosen = [direction for direction in every if not wanted or direction in wanted]
    if not chosen:
        raise DataError(
            f"{name} has the directions {', '.join(every)}, none of {', '.join(wanted or ())}"
        )
    return chosen


def eligibility_of(places: list[tuple[str, str]], data_dir: str | None = None) -> pd.DataFrame:
    """`reprolib.data.statistics.eligibility` of (data set, direction) places."""
    from reprolib.data.statistics import eligibility

    return eligibility([load_split(*place, data_dir=data_dir) for place in places])


def known_dataset(name: str) -> None:
    """Raise DataError, with the nearest name, where no data set is called so. Nothing is loaded."""
    from reprolib.data.sources.registry import source

    for part in (part.strip() for part in name.split(DISJOINT)):
        if part.startswith(WORLD):
            _world_parts(part)
        else:
            source(part)


def world_folder(name: str) -> Path:
    """Folder of the miniature world of that name (one of WORLDS), made on first use."""
    from reprolib.cache import cache_dir
    from reprolib.data.world import WORLDS, make_world

    folder = cache_dir() / "worlds" / f"{name}-{WORLD_SEED}"
    return make_world(folder, seed=WORLD_SEED, **WORLDS[name])


def world_truth(dataset: str, table: str) -> pl.DataFrame:
    """What only the generator of a miniature world knows, for oracles and checks; see `read_truth`.

    dataset  name of a data set of one world
    Raises DataError where it is none.
    """
    from reprolib.data.world import read_truth

    if not dataset.startswith(WORLD) or DISJOINT in dataset:
        raise DataError(
            f"{dataset}: the truth is known of a miniature world only, named {WORLD}..."
        )
    return read_truth(world_folder(_world_parts(dataset)[0]), table)


def _world_steps(name: str, n_domains: int) -> tuple:
    """How a world becomes a data set."""
    from reprolib.data.world import SIZES, WORLDS

    core = SIZES[WORLDS[name]["size"]].core
    steps = (p.drop_duplicates, partial(p.k_core, users=5, items=core, per_domain=True))
    if n_domains == 1:
        return steps
    return (*steps, partial(p.minimum_per_domain, events=3))


def _disjoint(names: list[str], data_dir: str | None) -> tuple[Corpus, pd.DataFrame]:
    """Several sets as one corpus without a shared user; a domain name that stands in two sets is an error."""
    if len(set(names)) < len(names):
        raise DataError(f"{' | '.join(names)}: a set stands twice; choose different sets")
    loaded = {name: load_corpus(name, data_dir) for name in names}
    owner: dict[str, str] = {}
    for name, (corpus, _) in loaded.items():
        for domain in corpus.domains:
            if domain in owner:
                raise DataError(
                    f"{owner[domain]} and {name} both have a domain {domain!r}; choose sets that differ"
                )
            owner[domain] = name
    clocks = {corpus.clock for corpus, _ in loaded.values()}
    # positions and seconds are comparable within a user, and no user has both
    clock = clocks.pop() if len(clocks) == 1 else "order"
    apart = [
        replace(_with_own_users(corpus, name), clock=clock) for name, (corpus, _) in loaded.items()
    ]
    audit = pd.concat([audit for _, audit in loaded.values()], ignore_index=True)
    return join_domains(*apart, name=f" {DISJOINT} ".join(names)), audit


def _with_own_users(corpus: Corpus, name: str) -> Corpus:
    """The corpus with its name before every user id, so that equal ids of two sets stay two users."""
    user = pl.concat_str(pl.lit(f"{name}:"), pl.col("user").cast(pl.String)).cast(pl.Categorical)
    return corpus.with_interactions(corpus.interactions.with_columns(user.alias("user")))


def _world_parts(name: str) -> tuple[str, tuple[str, ...]]:
    """(world, domains) of the name of a world. Raises DataError where it does not read so."""
    from reprolib.data.world import DOMAINS, WORLDS

    size, _, domains = name.removeprefix(WORLD).partition("/")
    chosen = tuple(domains.split("-"))
    if size not in WORLDS or not domains:
        raise DataError(
            f"data set {name!r}: a world is named world-NAME/DOMAIN or world-NAME/DOMAIN-DOMAIN with NAME "
            f"one of {', '.join(WORLDS)}, for example world-quick/food-kitchen"
        )
    for domain in chosen:
        if domain not in DOMAINS:
            near = difflib.get_close_matches(domain, DOMAINS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(DOMAINS)}"
            raise DataError(f"data set {name!r}: the world has no domain {domain!r}; {hint}")
    return size, chosen


def _world(name: str, size: str, domains: tuple[str, ...]) -> Corpus:
    from reprolib.data.world import read_world

    return replace(read_world(world_folder(size), domains), name=name)
