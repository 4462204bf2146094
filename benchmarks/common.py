"""What the benchmarks share: threads, the Video data, a peer in its own environment, a table of medians."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = os.environ.setdefault("BENCH_THREADS", str(min(2, os.cpu_count() or 1)))
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, THREADS)
ROOT = Path(__file__).resolve().parents[1]
PEER_PYTHON = ROOT / ".peers" / "bin" / "python"


class Peer:
    """A peer process that obeys JSON commands; `stop` and `go` keep it from using the cores while we are measured."""

    def __init__(self, script: str):
        if not PEER_PYTHON.exists():
            sys.exit("the peers' environment is absent; run benchmarks/setup_peers.sh")
        self.process = subprocess.Popen(
            [PEER_PYTHON, ROOT / "benchmarks" / script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=tempfile.mkdtemp(),
        )

    def ask(self, do: str, **arguments) -> dict:
        """Send one command and wait for its answer."""
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the peer died on {do} {arguments}")
        return json.loads(line)

    def close(self) -> None:
        """End the peer."""
        self.process.stdin.close()
        self.process.wait()


def video():
    """(split, path of a CSV user,item in time order) of SASRec's Video data; needs REPROLIB_DATA."""
    import polars as pl

    from reprolib.data.datasets import load_corpus, load_split

    corpus, _ = load_corpus("sasrec-amazon-video")
    path = Path(tempfile.mkdtemp()) / "video.csv"
    codes = [pl.col(c).cast(pl.String).cast(pl.Int64) for c in ("user", "item")]
    events = corpus.interactions.sort("user", "timestamp", maintain_order=True)
    events.select(codes).write_csv(path, include_header=False)
    return load_split("sasrec-amazon-video", "video"), path


def timed(function, repeats: int) -> list[float]:
    """Seconds of each call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds


def show(title: str, rows: list[dict]) -> None:
    """Print rows as a Markdown table; lists of numbers as median (min-max, n)."""

    def cell(value) -> str:
        if isinstance(value, list):
            return f"{statistics.median(value):.4g} ({min(value):.4g}-{max(value):.4g}, n={len(value)})"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    print(f"\n## {title}\n\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(cell(v) for v in row.values())} |")
    sys.stdout.flush()


def verdict(claims: list[tuple[str, bool]]) -> None:
    """Print what was claimed and whether it holds; exit 1 where one does not."""
    print()
    for claim, holds in claims:
        print(f"- {'met' if holds else 'MISSED'}: {claim}")
    sys.exit(0 if all(holds for _, holds in claims) else 1)
