"""The same small search for every system: a few settings on one seed, chosen by validation."""

import pandas as pd

from reprolib.runs.grid import Grid, Run, cell_digest, run_grid, runs


def read_settings(texts: list[str]) -> list[dict[str, float]]:
    """["lr:0.001 dropout:0.2", ...] as options. Raises ValueError that names the text that does not read so."""
    settings = []
    for text in texts:
        try:
            settings.append(
                {name: float(value) for name, value in (part.split(":") for part in text.split())}
            )
        except ValueError:
            raise ValueError(
                f'setting {text!r} does not read; right would be "lr:0.001 dropout:0.2"'
            ) from None
    return settings


def search(
    systems: list[str],
    dataset: str,
    direction: str,
    settings: list[str],
    *,
    seed: int = 0,
    jobs: int = 1,
    data_dir: str | None = None,
    **options,
) -> tuple[pd.DataFrame, dict[str, dict]]:
    """Train every system with every setting; (validation NDCG@10 per system and setting, best setting per system).

    settings  see `read_settings`; what a system has no option for is left out for it
    options   the same for all; see `reprolib.runs.grid.runs`
    The runs are stored like any others, so the chosen one is not trained again. Ties go to the setting named first.
    """
    cells = {
        (system, text): runs(
            [system], dataset, direction, [seed], **options | read_settings([text])[0]
        )[0]
        for system in systems
        for text in settings
    }
    grid: Grid = run_grid(list(cells.values()), jobs=jobs, data_dir=data_dir)
    digests = {key: cell_digest(cell, data_dir) for key, cell in cells.items()}
    if grid.failures:
        raise RuntimeError(
            f"search: {grid.failures[0].run.name} failed:\n{grid.failures[0].traceback}"
        )
    reached = dict(zip(grid.cost["digest"], grid.cost["validation"], strict=True))
    table = pd.DataFrame(
        [
            {"system": system, "setting": text, "validation NDCG@10": reached[digest]}
            for (system, text), digest in digests.items()
        ]
    )
    best = table.loc[table.groupby("system")["validation NDCG@10"].idxmax()].set_index("system")[
        "setting"
    ]
    return table.pivot(index="system", columns="setting", values="validation NDCG@10").loc[
        systems, settings
    ], {system: read_settings([best[system]])[0] for system in systems}


def chosen_runs(
    best: dict[str, dict], systems: list[str], pairs: list[str], seeds: list[int], **options
) -> list[Run]:
    """The runs of a grid in which every system has the setting that its search chose; `best` from `search`.

    pairs  "DATASET DIRECTION DIRECTION ...", for example "world-quick/food-kitchen food->kitchen kitchen->food"
    A variant "NAME + something" that was not searched takes the setting of NAME.
    """
    return [
        run
        for dataset, *directions in map(str.split, pairs)
        for system in systems
        for run in runs(
            [system], dataset, directions, seeds, **options | best[_searched(system, best)]
        )
    ]


def _searched(system: str, best: dict[str, dict]) -> str:
    name = system if system in best else system.split(" + ")[0]
    if name not in best:
        raise ValueError(f"no setting was searched for {system}; there are {', '.join(best)}")
    return name
