"""What the engine adds to a cell: time per executed and per cached cell of the smallest system and world.

python benchmarks/bench_engine.py [--cells 100]
"""

import argparse
import tempfile
import time

from common import show, verdict


def main(cells: int) -> None:
    """Run a grid of Popularity cells twice."""
    from reprolib.runs.grid import run_grid, runs

    grid = runs(["Popularity"], "world-smoke/food-kitchen", "food->kitchen", range(cells))
    with tempfile.TemporaryDirectory() as store:
        run_grid(grid[:1], store=store, progress=False)  # loads the data and the libraries
        start = time.perf_counter()
        run_grid(grid, store=store, progress=False)
        executed = (time.perf_counter() - start) / (cells - 1)
        start = time.perf_counter()
        run_grid(grid, store=store, progress=False)
        cached = (time.perf_counter() - start) / cells
    show(
        "Engine",
        [
            {
                "cells": cells,
                "ms per executed cell": 1000 * executed,
                "ms per cached cell": 1000 * cached,
            }
        ],
    )
    verdict(
        [
            ("below 300 ms per executed cell", executed < 0.3),
            ("below 30 ms per cached cell", cached < 0.03),
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100)
    main(parser.parse_args().cells)
