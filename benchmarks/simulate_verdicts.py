"""How often a verdict is wrong, with the truth known: 400 invented tables for each true gain.

    python benchmarks/simulate_verdicts.py [--tables 400] [--seeds 3]

Six systems rank the same users; every run's level differs by chance (7 % between seeds, the median over our stored
runs), every user's hits by chance. The claim "A beats B" is judged as in the scorecard. "reproduced" is false where the
true gain is zero or less, "not reproduced" where it is 1 % or more. Exits with 1 where more than 5 % are false.
"""

import argparse
import sys
from collections import Counter

import numpy as np
import pandas as pd
from common import show

from reprolib.report.claims import Beats
from reprolib.report.verdicts import judge

USERS, LEVEL, SEED_SPREAD = 2000, 0.12, 0.07
GAINS = (-0.3, -0.1, 0.0, 0.1, 0.3)
CLAIM = Beats(
    id="simulated-01",
    paper="SemaCDR",
    place="nowhere",
    kind="beats",
    better=["A"],
    worse=["B"],
    claim="System A ranks better than system B.",
)


def table(gain: float, seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    """A RankTable in which system A is better than B by the true relative gain."""
    levels = {"A": LEVEL * (1 + gain), "B": LEVEL} | dict.fromkeys("CDEF", LEVEL)
    of_user = rng.beta(2, 2 / LEVEL, USERS)
    of_user *= LEVEL / of_user.mean()
    parts = []
    for system, level in levels.items():
        for seed in range(seeds):
            chance = of_user * level / LEVEL * np.exp(rng.normal(0, SEED_SPREAD))
            hit = rng.random(USERS) < chance
            parts.append(
                pd.DataFrame(
                    {
                        "system": system,
                        "variant": "",
                        "on": "",
                        "dataset": "simulated",
                        "direction": "a->b",
                        "seed": seed,
                        "protocol": "leave-one-out",
                        "negatives": 0,
                        "user": np.arange(USERS),
                        "rank": np.where(hit, 1.0, 100.0),
                        "candidates": 1000,
                        "item_count": 9,
                        "item_place": 0.5,
                        "history": 9,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def main(tables: int, seeds: int) -> None:
    """Judge the tables of every gain and print the shares of verdicts."""
    rng = np.random.default_rng(0)
    cost = pd.DataFrame({"label": [], "dataset": [], "annotator": []})
    rows, worst = [], 0.0
    for gain in GAINS:
        verdicts: Counter = Counter()
        for _ in range(tables):
            verdicts[judge([CLAIM], table(gain, seeds, rng), cost)["verdict"].iloc[0]] += 1
        false = verdicts["not reproduced"] if gain > 0 else verdicts["reproduced"]
        worst = max(worst, false / tables)
        rows.append(
            {
                "true gain": f"{gain:+.0%}",
                "reproduced": verdicts["reproduced"] / tables,
                "not reproduced": verdicts["not reproduced"] / tables,
                "inconclusive": verdicts["inconclusive"] / tables,
                "false": false / tables,
            }
        )
    show(
        f"Verdicts on {tables} tables, {USERS:,} users, {seeds} seeds, {SEED_SPREAD:.0%} between seeds",
        rows,
    )
    sys.exit(worst > 0.05)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.tables, arguments.seeds)
