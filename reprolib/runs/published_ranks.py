"""Ranks that are published with the project: the runs behind figures/real, to be judged again without training.

One file a run, as the store has it (`reprolib.runs.store`): ranks of every held-out event, resolved options, digests of
data and code, history, checksum. Miniature worlds are not published: anybody makes them.
"""

import functools
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from reprolib.folders import root_folder
from reprolib.runs.store import FORMAT, KEY, Cell, DamagedCell, read_cell

PLACE = Path("figures", "real", "ranks")
RETRAIN = "REPROLIB_RETRAIN"  # set by `reprolib run --retrain`, for the kernels that it starts


def published_folder() -> Path | None:
    """The folder of published ranks; None where there is none or they shall not be used."""
    if os.environ.get(RETRAIN):
        return None
    try:
        folder = root_folder() / PLACE
    except FileNotFoundError:
        return None
    return folder if folder.is_dir() else None


def find_published(
    factors: dict[str, object], options: dict[str, object], defaults: dict[str, object]
) -> Cell | None:
    """The published run of these factors and options, or None.

    factors   of the run, see `Run.factors`
    options   every option that the run has now
    defaults  of its system: an option that did not exist when the run was made counts as having had its default
    A damaged file counts as none.
    """
    folder = published_folder()
    if folder is None:
        return None
    for path, run in _records(folder).get(_text(factors), ()):
        if _text(defaults | run["options"]) == _text(options):
            try:
                return read_cell(path)
            except DamagedCell as error:
                print(f"damaged: {error}; published ranks are in git, check the file out again")
    return None


def publish(store: Path, folder: Path, is_wanted=lambda info: True) -> list[Path]:
    """Copy the runs on real data from a store to a folder; returns the files there that are new.

    is_wanted  (record of a run) -> bool
    A run with factors and options that are published already replaces the older one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = []
    for path in sorted(store.glob("*.parquet")):
        info = _record(path)
        if info is None or info["run"]["dataset"].startswith("world-") or not is_wanted(info):
            continue
        goal = folder / path.name
        if goal.exists():
            continue
        for other in folder.glob("*.parquet"):
            known = _record(other)
            if known is not None and _text(known["run"]) == _text(info["run"]):
                other.unlink()
        shutil.copyfile(path, goal)
        new.append(goal)
    _records.cache_clear()
    return new


@functools.cache
def _records(folder: Path) -> dict[str, list[tuple[Path, dict]]]:
    """{factors as text: (file, run with its options) of each published run}."""
    found: dict[str, list[tuple[Path, dict]]] = {}
    for path in sorted(folder.glob("*.parquet")):
        info = _record(path)
        if info is not None:
            run = info["run"]
            factors = {name: value for name, value in run.items() if name != "options"}
            found.setdefault(_text(factors), []).append((path, run))
    return found


def _record(path: Path) -> dict | None:
    """The record of a stored run, without its ranks; None where it does not read or is of another format."""
    try:
        info = json.loads((pq.read_schema(path).metadata or {})[KEY])
    except (OSError, KeyError, ValueError):
        return None
    return info if info.get("format") == FORMAT else None


def _text(values: dict[str, object]) -> str:
    return json.dumps(values, sort_keys=True, default=str)
