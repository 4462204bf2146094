"""Seconds per epoch and peak memory of every cross-domain model, in times SASRec's epoch on the same pair.

    bench_sequences.py [DATASET TARGET SOURCE]     default: the pair of profile real
    bench_sequences.py toy-game                    Tri-CDR at its authors' batch (120) and length (200)

Exits with 1 where a model takes more than 8 times SASRec's epoch, or Tri-CDR on toy-game more than 17.4 s (a
hundredth of what its official code needs there: 1,743 s, extrapolated from one step on two cores) or 2 GB.
"""

import resource
import sys
import time

import numpy as np

from reprolib.data.datasets import load_dataset
from reprolib.runs.systems import train

SYSTEMS = [
    "SASRec",
    "CL4SRec",
    "pi-Net",
    "C2DSR",
    "MGCL",
    "CD-SASRec",
    "Tri-CDR",
    "TJAPL",
    "SemaCDR",
]


def seconds(system: str, split, epochs: int, **options) -> float:
    """Training seconds per epoch, its one validation at the end included."""
    started = time.perf_counter()
    trained = train(system, split, progress=False, epochs=epochs, every=epochs, **options)
    return min(trained.seconds, time.perf_counter() - started) / epochs


def toy_game() -> bool:
    split = load_dataset("amazon2018-toy-game-tricdr", "game->toy")
    took = seconds("Tri-CDR", split, 3, batch_size=120, length=200)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"Tri-CDR on toy-game, batch 120, length 200: {took:.1f} s an epoch, peak {peak:.2f} GiB")
    return took < 17.43 and peak < 2


def pair(dataset: str, target: str, source: str) -> bool:
    split = load_dataset(dataset, f"{source}->{target}")
    options = {"batch_size": 256, "loss": "ssm"}
    rounds = {name: [] for name in SYSTEMS}
    for _ in range(2):  # in turns, so that a busy moment hits all
        for name in SYSTEMS:
            rounds[name].append(seconds(name, split, 2, **options))
    base = np.min(rounds["SASRec"])
    for name, taken in rounds.items():
        print(
            f"{name:10s} {np.min(taken):6.2f} s an epoch ({' '.join(f'{t:.2f}' for t in taken)}), "
            f"{np.min(taken) / base:4.1f} times SASRec"
        )
    return all(np.min(taken) <= 8 * base for taken in rounds.values())


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["amazon2014-food-kitchen-abxi", "kitchen", "food"]
    sys.exit(not (toy_game() if wanted == ["toy-game"] else pair(*wanted)))
