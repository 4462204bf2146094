"""The same small search for every system: a few settings on one seed, chosen by validation."""

import pandas as pd

from reprolib.experiment import Grid, cell_digest, run_grid, runs


def read_settings(texts: list[str]) -> list[dict[str, float]]:
    """["lr=0.001 dropout=0.2", ...] as options. Raises ValueError that names the text that does not read so."""
    settings = []
    for text in texts:
        try:
            settings.append({name: float(value) for name, value in (part.split("=") for part in text.split())})
        except ValueError:
            raise ValueError(f"setting {text!r} does not read; right would be \"lr=0.001 dropout=0.2\"") from None
    return settings


def search(systems: list[str], dataset: str, direction: str, settings: list[str], *, seed: int = 0, jobs: int = 1,
           data_dir: str | None = None, **options) -> tuple[pd.DataFrame, dict[str, dict]]:
    """Train every system with every setting; (validation NDCG@10 per system and setting, best setting per system).

    settings  see `read_settings`; what a system has no option for is left out for it
    options   the same for all; see `reprolib.experiment.runs`
    The runs are stored like any others, so the chosen one is not trained again. Ties go to the setting named first.
    """
    cells = {(system, text): runs([system], dataset, direction, [seed], **options | read_settings([text])[0])[0]
             for system in systems for text in settings}
    grid: Grid = run_grid(list(cells.values()), jobs=jobs, data_dir=data_dir)
    digests = {key: cell_digest(cell, data_dir) for key, cell in cells.items()}
    if grid.failures:
        raise RuntimeError(f"search: {grid.failures[0].run.name} failed:\n{grid.failures[0].traceback}")
    reached = dict(zip(grid.cost["digest"], grid.cost["validation"], strict=True))
    table = pd.DataFrame([{"system": system, "setting": text, "validation NDCG@10": reached[digest]}
                          for (system, text), digest in digests.items()])
    best = table.loc[table.groupby("system")["validation NDCG@10"].idxmax()].set_index("system")["setting"]
    return table.pivot(index="system", columns="setting", values="validation NDCG@10").loc[systems, settings], \
        {system: read_settings([best[system]])[0] for system in systems}
