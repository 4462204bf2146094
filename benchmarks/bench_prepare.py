"""Raw file to split, 5 million rows: reprolib against polars, duckdb and pandas alone.

Each run is a process of its own (peak memory is that engine's own) and the engines take turns. All read the same
.json.gz or .csv.gz, repeat a 5-core on users and items, sort each user's events by time and hold the last two out.
Prints a Markdown table of medians; exits with 1 where reprolib is slower than polars or needs more than 1.2 GiB.

    python benchmarks/bench_prepare.py [--rows 5000000] [--repeats 3] [--pandas] [--formats json csv]
"""

import argparse
import gzip
import importlib.util
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CORE = 5
LIMIT = 1.2  # GiB
COLUMNS = ["reviewerID", "asin", "overall", "unixReviewTime"]


def make(folder: Path, rows: int) -> None:
    """Long-tailed users and items in both formats, seeded; ids are shaped like Amazon's."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    users, items = max(rows // 8, 10), max(rows // 50, 10)
    heavy = (users * rng.random(rows) ** 4).astype(int)
    user = np.where(rng.random(rows) < 0.7, rng.integers(0, users, rows), heavy)
    item = rng.permutation(items)[(items * rng.random(rows) ** 3).astype(int)]
    frame = pl.DataFrame(
        {
            "reviewerID": pl.Series(user).cast(pl.String).str.zfill(13),
            "asin": pl.Series(item).cast(pl.String).str.zfill(9),
            "overall": rng.integers(1, 6, rows).astype(float),
            "unixReviewTime": rng.integers(1_300_000_000, 1_540_000_000, rows),
        }
    ).with_columns(reviewerID="A" + pl.col("reviewerID"), asin="B" + pl.col("asin"))
    for name, write in (
        ("rows.json.gz", frame.write_ndjson),
        ("ratings_rows.csv.gz", frame.write_csv),
    ):
        buffer = io.BytesIO()
        write(buffer, **({"include_header": False} if "csv" in name else {}))
        with gzip.open(folder / name, "wb", compresslevel=3) as file:
            file.write(buffer.getbuffer())


def run_reprolib(path: Path) -> tuple[float, int]:
    from reprolib.data.prepare import k_core
    from reprolib.data.readers import read_amazon, read_amazon_ratings
    from reprolib.data.split import leave_one_out

    start = time.perf_counter()
    if path.name.endswith(".json.gz"):
        corpus = read_amazon(path, domain="rows", text=False, progress=False)
    else:
        corpus = read_amazon_ratings(path, domain="rows", progress=False)
    corpus = k_core(corpus, users=CORE, items=CORE)
    leave_one_out(corpus, target="rows")
    return time.perf_counter() - start, corpus.interactions.height


def run_polars(path: Path) -> tuple[float, int]:
    import polars as pl

    start = time.perf_counter()
    if path.name.endswith(".json.gz"):
        with gzip.open(path) as file:
            frame = pl.read_ndjson(file.read())
    else:
        frame = pl.read_csv(path, has_header=False, new_columns=COLUMNS)
    frame, height = frame.with_row_index("row"), -1
    while height != frame.height:
        height = frame.height
        for side in COLUMNS[:2]:
            frame = frame.filter(pl.len().over(side) >= CORE)
    item = pl.col("asin")
    frame.sort("reviewerID", "unixReviewTime", "row").group_by(
        "reviewerID", maintain_order=True
    ).agg(train=item.head(pl.len() - 2), valid=item.get(-2), test=item.last())
    return time.perf_counter() - start, height


def run_pandas(path: Path) -> tuple[float, int]:
    import pandas as pd

    start = time.perf_counter()
    frame = (
        pd.read_json(path, lines=True)
        if path.name.endswith(".json.gz")
        else pd.read_csv(path, names=COLUMNS)
    )
    height = -1
    while height != len(frame):
        height = len(frame)
        for side in COLUMNS[:2]:
            frame = frame[frame.groupby(side)[side].transform("size") >= CORE]
    frame = frame.sort_values(["reviewerID", "unixReviewTime"], kind="stable")
    lists = frame.groupby("reviewerID", sort=False)["asin"].agg(list)
    {user: (items[:-2], items[-2], items[-1]) for user, items in lists.items()}
    return time.perf_counter() - start, height


def run_duckdb(path: Path) -> tuple[float, int]:
    import duckdb

    start = time.perf_counter()
    db = duckdb.connect()
    types = dict(zip(COLUMNS, ("VARCHAR", "VARCHAR", "DOUBLE", "BIGINT"), strict=True))
    is_json = path.name.endswith(".json.gz")
    reader = (
        "read_json(?, format='newline_delimited', " if is_json else "read_csv(?, header=false, "
    )
    db.execute(
        f"CREATE TABLE t AS SELECT row_number() OVER () AS n, * FROM {reader}columns={types})",
        [str(path)],
    )
    height = -1
    while height != (now := db.execute("SELECT count(*) FROM t").fetchone()[0]):
        height = now
        for side in COLUMNS[:2]:
            core = f"SELECT {side} FROM t GROUP BY 1 HAVING count(*) >= {CORE}"
            db.execute(
                f"CREATE OR REPLACE TABLE t AS SELECT t.* FROM t SEMI JOIN ({core}) USING ({side})"
            )
    ordered = "SELECT list(asin ORDER BY unixReviewTime, n) AS l FROM t GROUP BY reviewerID"
    db.execute(
        f"CREATE TABLE split AS SELECT l[:-3] AS train, l[-2] AS valid, l[-1] AS test FROM ({ordered})"
    )
    return time.perf_counter() - start, height


def measured(engine: str, path: Path) -> dict:
    """One run in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", engine, str(path)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{engine} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(path: Path, engines: list[str], repeats: int) -> bool:
    """Run the engines in turns, print one table row each, and say whether reprolib kept both limits."""
    runs: dict[str, list[dict]] = {engine: [] for engine in engines}
    for _ in range(repeats):
        for engine in engines:
            runs[engine].append(measured(engine, path))
    if len({run["rows"] for found in runs.values() for run in found}) != 1:
        raise SystemExit(f"{path.name}: the engines keep different rows: {runs}")
    middle = {
        engine: statistics.median(run["seconds"] for run in found) for engine, found in runs.items()
    }
    peak = {engine: max(run["gib"] for run in found) for engine, found in runs.items()}
    for engine in engines:
        spread = [run["seconds"] for run in runs[engine]]
        print(
            f"| {path.name} | {engine} | {middle[engine]:.2f} ({min(spread):.2f}-{max(spread):.2f}) "
            f"| {peak[engine]:.2f} | {runs[engine][0]['rows']:,} |",
            flush=True,
        )
    return middle["reprolib"] <= middle["polars"] and peak["reprolib"] <= LIMIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--formats", nargs="+", choices=("json", "csv"), default=["json", "csv"])
    parser.add_argument(
        "--pandas", action="store_true", help="time pandas too (minutes, several GiB)"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        seconds, rows = globals()[f"run_{options.one[0]}"](Path(options.one[1]))
        gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return print(json.dumps({"seconds": seconds, "gib": gib, "rows": rows}))
    if options.make:
        return make(Path(options.make), options.rows)
    engines = ["reprolib", "polars", *(["duckdb"] if importlib.util.find_spec("duckdb") else [])]
    engines += ["pandas"] if options.pandas else []
    with tempfile.TemporaryDirectory() as folder:
        # Made by another process: a child starts with its parent's peak memory on its account.
        command = [sys.executable, __file__, "--make", folder, "--rows", str(options.rows)]
        subprocess.run(command, check=True)
        names = {"json": "rows.json.gz", "csv": "ratings_rows.csv.gz"}
        print(
            "| file | engine | seconds, median (range) | peak GiB | rows kept |\n|---|---|---|---|---|"
        )
        kept = [
            compare(Path(folder, names[name]), engines, options.repeats) for name in options.formats
        ]
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
