"""The same small search for every system: a few settings on one seed, chosen by validation."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from reprolib.runs.grid import Grid, Run, cost_of, run_grid, runs


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    table    validation NDCG@10, one row per system and one column per setting
    options  {system: options of its best setting}
    grid     the runs behind it
    """

    table: pd.DataFrame
    options: dict[str, dict[str, object]]
    grid: Grid


def settings_of(**values: list) -> list[dict[str, object]]:
    """Every combination of the options' values: `settings_of(lr=[0.001, 0.003], dropout=[0.2, 0.5])` gives four."""
    combinations = itertools.product(*values.values())
    return [dict(zip(values, combination, strict=True)) for combination in combinations]


def setting_name(setting: dict[str, object]) -> str:
    """How a table calls a setting: "lr 0.001, dropout 0.2"."""
    return ", ".join(f"{option} {value}" for option, value in setting.items())


def tune(
    systems: list[str],
    dataset: str,
    direction: str,
    settings: list[dict[str, object]],
    *,
    seed: int = 0,
    jobs: int = 1,
    data_dir: str | None = None,
    **options: object,
) -> Tuned:
    """Train every system with every setting and choose by validation NDCG@10.

    settings  from `settings_of`; what a system has no option for is left out for it
    options   the same for all; see `runs`
    The runs are stored like any others, so the chosen one is not trained again. Ties go to the setting named first.
    A setting that failed is a hole in the table; raises RuntimeError where all settings of a system failed.
    """
    cells: dict[tuple[str, str], Run] = {}
    for system in systems:
        for setting in settings:
            cell = runs([system], dataset, direction, [seed], **options | setting)[0]
            cells[system, setting_name(setting)] = cell
    grid = run_grid(list(cells.values()), jobs=jobs, data_dir=data_dir)
    reached = {run: cost_of(cell.info)["validation"] for run, cell in grid.cells}
    columns = [setting_name(setting) for setting in settings]
    rows = [[reached.get(cells[system, name]) for name in columns] for system in systems]
    table = pd.DataFrame(rows, index=pd.Index(systems, name="system"), columns=columns, dtype=float)
    empty = table.index[table.isna().all(axis=1)]
    if len(empty):
        failure = next(f for f in grid.failures if f.run.system == empty[0])
        raise RuntimeError(f"tune: every setting of {empty[0]} failed: {failure.sentence}")
    best = table.idxmax(axis=1)
    chosen = {system: settings[columns.index(best[system])] for system in systems}
    return Tuned(table, chosen, grid)


def tuned_runs(
    tuned: dict[str, dict[str, object]],
    systems: Iterable[str],
    dataset: str,
    directions: list[str],
    seeds: list[int],
    **options: object,
) -> list[Run]:
    """The runs of a grid in which every system has the setting that its search chose.

    tuned  `Tuned.options`; a plug-in "NAME + something" that was not searched takes the setting of NAME
    Raises ValueError where nothing was searched for a system.
    """
    cells = []
    for system in systems:
        own = options | tuned[_searched(system, tuned)]
        cells += runs([system], dataset, directions, seeds, **own)
    return cells


def _searched(system: str, tuned: dict[str, dict[str, object]]) -> str:
    name = system if system in tuned else system.split(" + ")[0]
    if name not in tuned:
        raise ValueError(f"no setting was searched for {system}; there are {', '.join(tuned)}")
    return name
