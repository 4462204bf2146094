"""What the store of runs holds, as one RankTable and one cost table. Nothing is trained here."""

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reprolib.data.origin import Origin
from reprolib.evaluate.rank_table import FACTORS, RANK_COLUMNS, label
from reprolib.runs.grid import cost_of, system_code
from reprolib.runs.published_ranks import published_folder
from reprolib.runs.state import BELOW, UNFINISHED, training_states
from reprolib.runs.store import Cell, DamagedCell, default_store, read_cell
from reprolib.runs.systems import SYSTEMS

# options that decide how much a model may learn; those that a search chooses are not among them
BUDGET = ("epochs", "patience", "every", "minimum_steps", "batch_size", "dim", "length")
RECORD = (*FACTORS, "label", "annotator", "llm")


@dataclass
class Stored:
    """Ranks and cost of the cells that count, and one sentence per kind of cell that was left out."""

    ranks: pd.DataFrame
    cost: pd.DataFrame
    left_out: list[str] = field(default_factory=list)
    origin: Origin = field(default_factory=Origin)

    @functools.cached_property
    def states(self) -> pd.DataFrame:
        """How the training of each system ended at each place; see `training_states`."""
        return training_states(self.ranks, self.cost)

    @functools.cached_property
    def judged(self) -> pd.DataFrame:
        """The ranks that may carry a verdict: of finished runs that are not below a floor, and of the floors."""
        if not len(self.ranks):
            return self.ranks
        unfit = self.states[self.states["training"].isin([UNFINISHED, BELOW])]
        keys = [column for column in self.states if column != "training"]
        barred = set(unfit[keys].itertuples(index=False, name=None))
        rows = self.ranks[keys].astype(str).itertuples(index=False, name=None)
        return self.ranks[[row not in barred for row in rows]]

    def on(self, dataset: str) -> "Stored":
        """The part on one data set."""
        ranks = self.ranks[self.ranks["dataset"] == dataset]
        cost = self.cost[self.cost["dataset"] == dataset]
        return Stored(ranks, cost, self.left_out, _origin(ranks, cost))


@dataclass(frozen=True)
class _File:
    """A stored cell with its place and the time when it was made; a published one counts as older than any other."""

    cell: Cell
    made: float
    published: bool = False

    @property
    def run(self) -> dict:
        """Factors and options of the run."""
        return self.cell.info["run"]

    @property
    def place(self) -> tuple[str, str]:
        """(data set, direction)."""
        return self.run["dataset"], self.run["direction"]

    @property
    def name(self) -> tuple[str, str, str]:
        """(system, variant, on)."""
        return self.run["system"], self.run["variant"], self.run["on"]


def load_store(
    store: str | Path | None = None,
    datasets: list[str] | None = None,
    protocol: str = "leave-one-out",
) -> Stored:
    """Read the current cells of the named data sets that were run under the protocol.

    store     folder of cells; default `<cache>/results` and the published ranks
    datasets  names, or the first part of names ("world-quick" is all of that world); default: every data set
    Left out and counted: unreadable cells, cells of other code (published ones stay) or of other data than the newest,
    and, where a system was run under one name with several options, all but the options with most seeds (then the
    newest).
    `cost` has one row per cell: its factors, label, annotator, llm and every number of its record.
    """
    folder = Path(store) if store else default_store()
    left_out: dict[str, int] = {"unreadable or of another version": 0}
    files = []
    for path, is_published in _paths(folder, None if store else published_folder()):
        file = _open(path, is_published)
        if file is None:
            left_out["unreadable or of another version"] += 1
        elif file.run["protocol"] == protocol and _named(file.run["dataset"], datasets):
            files.append(file)
    rules: dict[str, Callable[[list[_File]], list[_File]]] = {
        "made by other code": _of_current_code,
        "made on other data": _of_newest_data,
        "with other options under the same name": _of_best_options,
        "of another budget than most systems of their pair": _of_one_budget,
    }
    for reason, keep in rules.items():
        kept = keep(files)
        left_out[reason] = len(files) - len(kept)
        files = kept
    ranks, cost = _ranks(files), _cost(files)
    sentences = [f"{count} cells {reason}" for reason, count in left_out.items() if count]
    return Stored(ranks, cost, sentences, _origin(ranks, cost))


def annotators(names: Iterable[str]) -> str:
    """The different annotators that cells name, each of which may name several; "none" where nobody wrote anything."""
    single = (name for text in names for name in text.split(", "))
    return ", ".join(dict.fromkeys(name for name in single if name != "none")) or "none"


def _paths(folder: Path, published: Path | None) -> list[tuple[Path, bool]]:
    """(file, is it published?) of the store's cells and of the published ones that the store does not hold."""
    own = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    names = {path.name for path in own}
    others = sorted(published.glob("*.parquet")) if published else []
    return [(path, False) for path in own] + [(p, True) for p in others if p.name not in names]


def _open(path: Path, is_published: bool) -> _File | None:
    """The cell with its age; None where it cannot be used."""
    try:
        cell = read_cell(path)
    except DamagedCell:
        return None
    if cell is None:
        return None
    return _File(cell, 0.0 if is_published else path.stat().st_mtime, is_published)


def _named(dataset: str, wanted: list[str] | None) -> bool:
    if wanted is None:
        return True
    return any(dataset == name or dataset.startswith(f"{name}/") for name in wanted)


def _of_current_code(files: list[_File]) -> list[_File]:
    names = {file.run["system"] for file in files}
    current = {name: system_code(name) for name in names if name in SYSTEMS}
    return [
        file
        for file in files
        if file.published or file.cell.info["code"] == current.get(file.run["system"])
    ]


def _of_newest_data(files: list[_File]) -> list[_File]:
    by_age = sorted(files, key=lambda file: file.made)
    newest = {file.place: file.cell.info["split"] for file in by_age}
    return [file for file in files if file.cell.info["split"] == newest[file.place]]


def _of_best_options(files: list[_File]) -> list[_File]:
    grids: dict[tuple, dict[str, list[_File]]] = {}
    for file in files:
        options = json.dumps(file.run["options"], sort_keys=True)
        grids.setdefault((file.name, file.place), {}).setdefault(options, []).append(file)
    chosen = []
    for variants in grids.values():
        chosen += max(variants.values(), key=lambda part: (len(part), max(f.made for f in part)))
    return chosen


def _of_one_budget(files: list[_File]) -> list[_File]:
    """Of sequence models on one pair only those that were trained alike: the budget that most systems share."""
    systems: dict[tuple, dict[str, set[str]]] = {}
    for file in files:
        budget = _budget(file)
        if budget:
            systems.setdefault(file.place, {}).setdefault(budget, set()).add(file.run["system"])
    common = {
        place: max(budgets, key=lambda budget: len(budgets[budget]))
        for place, budgets in systems.items()
    }
    return [file for file in files if _budget(file) in ("", common.get(file.place, ""))]


def _budget(file: _File) -> str:
    """What a sequence model was given to learn with; "" of a system of another kind."""
    options = file.run["options"]
    if not {"loss", "batch_size", "length"} <= options.keys():
        return ""
    return json.dumps({name: options.get(name) for name in BUDGET}, sort_keys=True)


def _ranks(files: list[_File]) -> pd.DataFrame:
    tables = []
    for file in files:
        factors = {name: file.run[name] for name in FACTORS}
        tables.append(file.cell.ranks.assign(**factors, negatives=0))
    if not tables:
        return pd.DataFrame(columns=list(RANK_COLUMNS))
    ranks = pd.concat(tables, ignore_index=True)[list(RANK_COLUMNS)]
    texts = [name for name in FACTORS if name != "seed"]
    return ranks.astype(dict.fromkeys(texts, "category"))


def _cost(files: list[_File]) -> pd.DataFrame:
    rows = []
    for file in files:
        factors = {name: file.run[name] for name in FACTORS}
        # who wrote what the system read; an option alone is no reading
        annotator = file.cell.info.get("annotator")
        rows.append(
            factors
            | {"label": label(*file.name)}
            | cost_of(file.cell.info)
            | {"annotator": annotator or "none", "llm": bool(annotator)}
        )
    return pd.DataFrame(rows, columns=None if rows else list(RECORD))


def _origin(ranks: pd.DataFrame, cost: pd.DataFrame) -> Origin:
    users = ranks.groupby("dataset", observed=True)["user"].nunique()
    names = annotators(cost["annotator"])
    encoders = cost["encoder"].dropna().unique() if "encoder" in cost else ()
    return Origin(
        tuple((str(name), int(count)) for name, count in users.items()),
        (),
        tuple(sorted({int(seed) for seed in cost["seed"]})),
        () if names == "none" else tuple(names.split(", ")),
        tuple(map(str, encoders)),
    )
