"""The scorecard from 2,000 stored runs: reading, judging and the tables, in seconds. Target: under 10 s.

Run: python benchmarks/bench_scorecard.py [cells] [users]
The ranks are random numbers; they fill a temporary store and say nothing about any system.
"""

import sys
import tempfile
import time
from itertools import islice, product
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.report.claims import load_claims
from reprolib.report.scorecard import beside, claims_table, cost_table, leaderboard
from reprolib.report.verdicts import judge
from reprolib.runs.grid import Run, system_code
from reprolib.runs.read_store import load_store
from reprolib.runs.store import write_cell


def fill(folder: Path, cells: int, users: int) -> None:
    """Write cells of every (system, direction) that the claims name, with as many seeds as are needed."""
    pairs = sorted(
        {
            (s, d)
            for claim in load_claims()
            for s in claim.systems()
            for d in getattr(claim, "directions", [])
        }
    )
    rng, code = np.random.default_rng(0), system_code("Popularity")
    for number, (seed, (system, direction)) in enumerate(islice(product(range(99), pairs), cells)):
        source, _, target = direction.rpartition("->")
        dataset = f"world-quick/{'-'.join(sorted({source or target, target}))}"
        run = Run("Popularity", dataset, direction, seed, variant=system)
        strength = 3.0 + len(system) % 7
        ranks = pd.DataFrame(
            {
                "user": np.arange(users),
                "rank": np.ceil(1 + np.exp(rng.normal(strength / 2, 2, users)).clip(0, 799)),
                "candidates": 800,
                "item_count": rng.integers(0, 50, users),
                "item_place": rng.random(users),
                "history": rng.integers(1, 20, users),
            }
        )
        write_cell(
            folder / f"{number:06}.parquet",
            ranks,
            {
                "run": run.factors | {"options": {}},
                "split": "bench",
                "code": code,
                "history": [{"epoch": 1}] * 60,
                "parameters": 1,
                "train_seconds": 1.0,
                "seconds": 1.0,
                "coverage@10": 0.5,
                "steps": 60,
                "looks": 60,
                "best_look": 50,
                "ended": "patience",
                "users": users,
            },
        )


def main() -> None:
    """Fill a store, then print the seconds of each step."""
    cells, users = (int(a) for a in (sys.argv[1:] + ["2000", "2700"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), cells, users)
        marks = [time.perf_counter()]
        stored = load_store(folder)
        marks.append(time.perf_counter())
        verdicts = judge(load_claims(), stored.ranks, stored.cost)
        marks.append(time.perf_counter())
        pair = ("world-quick/food-kitchen", "food->kitchen")
        for table in (
            claims_table(verdicts),
            leaderboard(stored.ranks, *pair),
            cost_table(stored.cost, *pair),
            beside(stored.ranks),
        ):
            assert len(table.columns)
        marks.append(time.perf_counter())
    steps = np.diff(marks)
    print(
        f"{cells:,} cells, {len(stored.ranks):,} ranks, {int(verdicts['tests'].sum()):,} comparisons"
    )
    print(
        f"read {steps[0]:.2f} s, judge {steps[1]:.2f} s, tables {steps[2]:.2f} s, together {steps.sum():.2f} s"
    )


if __name__ == "__main__":
    main()
