"""What an epoch of each system costs on this machine."""

from dataclasses import dataclass

import pandas as pd

from reprolib.runs.grid import Grid, run_grid, runs

EPOCHS = 2  # that are timed, one validation at their end included


@dataclass(frozen=True)
class Costs:
    """One row per system, and the runs behind it."""

    table: pd.DataFrame
    grid: Grid


def epoch_costs(
    systems: list[str],
    dataset: str,
    direction: str,
    options: dict[str, object],
    *,
    data_dir: str | None = None,
) -> Costs:
    """Train each system for a few epochs, one after the other whatever ran beside other cells.

    options  the same for all, as for `runs`
    Returns columns system, parameters, seconds per epoch, times SASRec (empty where SASRec is not among them),
    llm_calls.
    """
    short = options | {"epochs": EPOCHS, "every": EPOCHS}
    cells = [run for name in systems for run in runs([name], dataset, direction, **short)]
    grid = run_grid(cells, data_dir=data_dir)
    cost = grid.cost
    seconds = cost["train_seconds"] / cost["epochs"]
    base = seconds[cost["system"] == "SASRec"]
    table = pd.DataFrame(
        {
            "system": cost["label"],
            "parameters": cost["parameters"],
            "seconds per epoch": seconds,
            "times SASRec": seconds / base.iloc[0] if len(base) else float("nan"),
            "llm_calls": cost["llm_calls"].fillna(0).astype(int) if "llm_calls" in cost else 0,
        }
    )
    return Costs(table, grid)
