"""Latency of whole requests to a PersonaIndex in memory and mapped, and candidate scores per second, on one core.

    python benchmarks/persona4rec_latency.py [--items 20000] [--requests 20000]

A request: user vector from 10 cached interactions, 20 candidates of the whole catalogue x 7 personas, sorted, the texts
of the chosen persona of every candidate. Vectors and texts are synthetic; the time does not depend on what they say.
"""

import argparse
import os

os.environ["BENCH_THREADS"] = "1"

import tempfile
from pathlib import Path

import numpy as np
from common import show, verdict

WITHIN = {384: 0.06, 1024: 0.1}  # ms
SCORES = 250_000  # per second and core, width 1024


def main(items: int, n: int) -> None:
    """Measure every width and precision; print medians, 99th percentiles and the verdict."""
    import numba

    from reprolib.papers.persona4rec.index.index import PersonaIndex
    from reprolib.papers.persona4rec.serving.index_costs import latency, requests, synthetic

    numba.set_num_threads(1)
    rows, claims = [], []
    for width in WITHIN:
        for half in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                index = synthetic(items, width, personas=7, half=half)
                index.save(Path(folder) / "index")
                kinds = {"in memory": index, "mapped": PersonaIndex.load(Path(folder) / "index")}
                for kind, chosen in kinds.items():
                    times = latency(chosen.rerank, *requests(chosen, n, 20), warm=2000)
                    rate = scores_per_second(chosen)
                    rows.append(
                        {
                            "width": width,
                            "rows": f"{'float16' if half else 'float32'} {kind}",
                            "median ms": float(np.median(times)),
                            "p99 ms": float(np.quantile(times, 0.99)),
                            "candidate scores/s": rate,
                        }
                    )
                    claims.append(
                        (
                            f"{rows[-1]['rows']}, width {width}: median {np.median(times):.4f} ms, "
                            f"limit {WITHIN[width]}",
                            np.median(times) <= WITHIN[width],
                        )
                    )
                    if width == 1024:
                        claims.append(
                            (
                                f"{rows[-1]['rows']}: {rate:,.0f} scores/s, limit {SCORES:,}",
                                rate >= SCORES,
                            )
                        )
    show(f"One core, {items:,} items x 7 personas, {n:,} requests", rows)
    verdict(claims)


def scores_per_second(index, users: int = 2000, candidates: int = 100) -> float:
    """Candidate scores per second of score_many, median of five."""
    import time

    from reprolib.papers.persona4rec.serving.index_costs import requests

    chosen, wanted = requests(index, users, candidates, seed=1)
    vectors = np.stack([index.user_vector(int(user)) for user in chosen])
    index.score_many(vectors, wanted)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        index.score_many(vectors, wanted)
        times.append(time.perf_counter() - start)
    return users * candidates / float(np.median(times))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=20_000)
    arguments = parser.parse_args()
    main(arguments.items, arguments.requests)
