"""The same small search for every system: a few settings on one seed, chosen by validation."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from reprolib.runs.grid import Grid, Run, cost_of, run_grid, runs


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    table    validation NDCG@10, one row per system and one column per setting: that of the last rung in which the
             setting took part; column "at the edge" names the options whose best value is the smallest or largest tried
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
    rungs: list[int],
    *,
    seed: int = 0,
    jobs: int = 1,
    data_dir: str | None = None,
    **options: object,
) -> Tuned:
    """Choose each system's setting by validation NDCG@10, by successive halving.

    settings  from `settings_of`; what a system has no option for is left out for it
    rungs     limits of epochs, rising: all settings are trained to the first, the better half of them to the next, ...
              The first should lie beyond the plateau that popularity gives.
    options   the same for all; see `runs`
    The runs are stored like any others, so what is chosen is not trained again where the last rung is the limit of the
    comparison. Ties go to the setting named first. A setting that failed is a hole in the table; raises RuntimeError
    where all settings of a system failed.
    """
    names = [setting_name(setting) for setting in settings]
    table = pd.DataFrame(index=pd.Index(systems, name="system"), columns=names, dtype=float)
    alive = {system: names for system in systems}
    grid = Grid([])
    for epochs in rungs:
        cells: dict[tuple[str, str], Run] = {}
        for system in systems:
            for name in alive[system]:
                given = options | settings[names.index(name)] | {"epochs": epochs}
                cells[system, name] = runs([system], dataset, direction, [seed], **given)[0]
        rung = run_grid(list(cells.values()), jobs=jobs, data_dir=data_dir)
        reached = {run: cost_of(cell.info)["validation"] for run, cell in rung.cells}
        for (system, name), run in cells.items():
            table.loc[system, name] = reached.get(run)
        for system in systems:
            alive[system] = _better_half(table.loc[system, alive[system]], system, rung)
        grid = grid + rung
    chosen = {system: settings[names.index(alive[system][0])] for system in systems}
    edges = [", ".join(_at_the_edge(chosen[system], settings)) for system in systems]
    return Tuned(table.assign(**{"at the edge": edges}), chosen, grid)


def _better_half(reached: pd.Series, system: str, rung: Grid) -> list[str]:
    """Names of the better half of the settings (at least one), the best first; `reached` (settings,) may have holes."""
    ranked = reached.dropna().sort_values(ascending=False, kind="stable")
    if ranked.empty:
        failure = next(f for f in rung.failures if f.run.system == system)
        raise RuntimeError(f"tune: every setting of {system} failed: {failure.sentence}")
    return ranked.index[: max(1, len(ranked) // 2)].tolist()


def _at_the_edge(chosen: dict[str, object], settings: list[dict[str, object]]) -> list[str]:
    """Options of which three or more values were tried and the smallest or the largest was chosen."""
    edges = []
    for option, value in chosen.items():
        tried = sorted({setting[option] for setting in settings})
        if len(tried) > 2 and value in (tried[0], tried[-1]):
            edges.append(option)
    return edges


def search_table(tuned: dict[tuple[str, str], Tuned]) -> pd.DataFrame:
    """The tables of several searches as one; tuned is {(data set, direction): what was found there}."""
    frames = []
    for (_, direction), found in tuned.items():
        frame = found.table.reset_index()
        frame.insert(1, "direction", direction)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


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
