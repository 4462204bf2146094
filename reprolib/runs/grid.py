"""A grid of runs to one RankTable: what is stored is not run again, what fails is reported, the rest goes on.

A cell is one file, `<store>/<digest>.parquet`: the run's ranks, and in its metadata the record, training history and
cost. It is written beside and renamed, so a killed run leaves no half cell, and two processes can share a store.
"""

import contextlib
import functools
import hashlib
import inspect
import itertools
import json
import os
import re
import socket
import time
import traceback
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from reprolib.runs.systems import SYSTEMS, nearest, options_of, train
from reprolib.training.sequential import train_model

# what only some systems report of a run
REPORTED = ("annotator", "llm_calls", "latency_ms", "memory_gb", "alpha", "beta", "gamma")
FORMAT = 2  # of a stored cell; a cell of another format is recomputed
UNRELATED = (
    "data.corpus",
    "data.prepare",
    "data.datasets",
    "evaluate.metrics",
    "runs.systems",
    "training.sequential",
    "cache",
    "llm",
)


@dataclass(frozen=True)
class Run:
    """One cell of a grid. `options` are the system's, as sorted (name, value) pairs; build runs with `runs(...)`."""

    system: str
    dataset: str
    target: str
    source: str | None = None
    seed: int = 0
    protocol: str = "leave-one-out"
    options: tuple[tuple[str, object], ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """What tables call it: the label, or the system."""
        return self.label or self.system


@dataclass
class Failure:
    """A cell that raised, with its record and traceback."""

    run: Run
    traceback: str


@dataclass
class Grid:
    """What `run_grid` gives: the RankTable of all finished cells, one cost row per cell, and the failures."""

    ranks: pd.DataFrame
    cost: pd.DataFrame
    failures: list[Failure] = field(default_factory=list)


def runs(
    systems: Iterable[str],
    dataset: str,
    directions: str | list[str],
    seeds: Iterable[int] = (0,),
    protocol: str = "leave-one-out",
    label: str = "",
    **options,
) -> list[Run]:
    """All (direction, system, seed) cells.

    directions  "source->target" or "target" (one domain), one or several
    label       how tables call the system; "{system}" stands for its name
    options     go to the systems that have them; one that no system knows is an error
    """
    known = {s: options_of(s) for s in systems}
    anywhere = {option for system in SYSTEMS for option in options_of(system)}
    for option in options:
        if option not in anywhere:
            raise ValueError(
                f"no system has an option {option!r}{nearest(option, sorted(anywhere))}"
            )
    cells = []
    for direction in [directions] if isinstance(directions, str) else directions:
        *source, target = re.split("->|→", direction)
        for system, accepted in known.items():
            chosen = tuple(sorted((k, v) for k, v in options.items() if k in accepted))
            name = label.format(system=system)
            cells += [
                Run(
                    system,
                    dataset,
                    target,
                    source[0] if source else None,
                    seed,
                    protocol,
                    chosen,
                    "" if name == system else name,
                )
                for seed in seeds
            ]
    return cells


def run_grid(
    cells: list[Run],
    *,
    store: str | Path | None = None,
    data_dir: str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: bool = True,
) -> Grid:
    """Execute the cells that the store does not hold, then read all of them back.

    store      folder of cells; default `<cache>/results`
    jobs       processes on this machine; the cores (or $OMP_NUM_THREADS of them) are shared out among them
    scheduler  address of a Dask scheduler ("tcp://host:8786"): cells run on its workers, which must see `store`
    Ctrl-C loses only the cells in flight.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    store = Path(store) if store else default_store()
    store.mkdir(parents=True, exist_ok=True)
    digests = {run: cell_digest(run, data_dir) for run in dict.fromkeys(cells)}
    missing = [
        run for run, digest in digests.items() if read_info(store / f"{digest}.parquet") is None
    ]
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1) // jobs)
    failures = []
    with (
        parallel_backend(jobs, scheduler, threads),
        tqdm(
            total=len(missing), desc="runs", unit="run", disable=not (progress and missing)
        ) as bar,
    ):
        work = (
            delayed(execute)(run, digests[run], str(store), data_dir, threads) for run in missing
        )
        for run, error in Parallel(
            return_as="generator_unordered", n_jobs=-1 if scheduler else jobs
        )(work):
            bar.update()
            if error:
                failures.append(Failure(run, error))
    for failure in failures:
        last = failure.traceback.strip().splitlines()[-1]
        print(
            f"failed: {failure.run.name} on {failure.run.dataset}, seed {failure.run.seed}: {last}"
        )
    return collect(digests, store, failures)


def execute(
    run: Run, digest: str, store: str, data_dir: str | None, threads: int
) -> tuple[Run, str]:
    """Train, rank and store one cell; returns (run, traceback or "")."""
    import torch

    from reprolib.data.datasets import load_split
    from reprolib.evaluate.ranking import catalogue_coverage, top_items
    from reprolib.evaluate.table import rank_table
    from reprolib.rerankers.rank_lists import reranked_table

    torch.set_num_threads(threads)
    if data_dir:
        os.environ["REPROLIB_DATA"] = (
            data_dir  # for the texts of a data set, which a split does not hold
        )
    try:
        started = time.perf_counter()
        split = load_split(run.dataset, run.target, run.source, run.protocol, data_dir)
        with own_device(Path(store)):
            trained = train(run.system, split, run.seed, progress=False, **dict(run.options))
        if trained.interrupted:
            raise KeyboardInterrupt
        queries, items = trained.vectors("test")
        _, ptr, seen = split.seen("test")
        first, last = split.candidates
        top = top_items(
            queries, items, torch.from_numpy(ptr), torch.from_numpy(seen), 10, first, last
        )
        coverage = catalogue_coverage(top, last - first + 1)
        ranks = rank_table(queries, items, split, system=run.name, seed=run.seed)
        if trained.reranked:
            ranks, coverage = reranked_table(ranks, split, *trained.reranked()), float("nan")
        info = {
            "format": FORMAT,
            "run": asdict(run),
            "split": split.digest,
            "code": code_digest(run.system),
            "history": trained.history,
            "parameters": trained.parameters,
            "train_seconds": trained.seconds,
            "coverage@10": coverage,
            "seconds": time.perf_counter() - started,
            "users": len(ranks),
        } | trained.report
        write_cell(Path(store) / f"{digest}.parquet", ranks, info)
    except Exception:
        return run, traceback.format_exc()
    return run, ""


@contextlib.contextmanager
def own_device(folder: Path):
    """On a machine with several GPUs, hold one alone (by a lock file in `folder`) and make it torch's current one."""
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        yield None
        return
    import fcntl

    with contextlib.ExitStack() as held:
        for device in itertools.cycle(range(count)):
            lock = open(folder / f".gpu{device}-{socket.gethostname()}.lock", "w")  # noqa: SIM115  closed by the stack, or below
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                time.sleep(0.1)
                continue
            held.enter_context(lock)
            torch.cuda.set_device(device)
            yield device
            return


def collect(digests: dict[Run, str], store: Path, failures: list[Failure]) -> Grid:
    """Read the stored cells of the given runs."""
    tables, cost = [], []
    for run, digest in digests.items():
        path = store / f"{digest}.parquet"
        info = read_info(path)
        if info is None:
            continue
        tables.append(pd.read_parquet(path))
        cost.append(
            {
                "system": run.name,
                "dataset": run.dataset,
                "direction": tables[-1]["direction"].iloc[0],
                "seed": run.seed,
            }
            | {k: info[k] for k in ("parameters", "train_seconds", "seconds", "coverage@10")}
            | {
                "epochs": info["history"][-1]["epoch"] if info["history"] else 0,
                "digest": digest,
                "validation": max(
                    (row.get("NDCG@10", 0.0) for row in info["history"]), default=0.0
                ),
            }
            | {k: info[k] for k in REPORTED if k in info}
        )
    ranks = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Grid(ranks, pd.DataFrame(cost), failures)


def cell_digest(run: Run, data_dir: str | None = None) -> str:
    """SHA-256 (24 digits) of the record, the prepared data and the code that matters."""
    from reprolib.data.datasets import load_split

    split = load_split(run.dataset, run.target, run.source, run.protocol, data_dir)
    text = json.dumps(
        [FORMAT, asdict(run), split.digest, code_digest(run.system)], sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@functools.cache
def code_digest(system: str) -> str:
    """SHA-256 (16 digits) of the code that can move this system's ranks.

    That is its function, every module of ours that it imports or that those import, and the ranking. Preparation is
    covered by the split's digest; of the metrics only the one that stops training counts.
    """
    from reprolib.evaluate import metrics

    function = _source(system)
    total = hashlib.sha256(
        (function + inspect.getsource(metrics.value) + inspect.getsource(metrics.parse)).encode()
    )
    evaluation = "from reprolib.evaluate.table import rank_table"
    if "generator" in options_of(system):
        evaluation += "\nfrom reprolib.rerankers.rank_lists import reranked_table"
    for path in sorted(_imported(function) | _imported(evaluation)):
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def _source(system: str) -> str:
    """Source of a system's function; of a sequence model: of what builds it and of what trains it."""
    function = SYSTEMS[system][0]
    return inspect.getsource(function) + (
        inspect.getsource(train_model) if hasattr(function, "__wrapped__") else ""
    )


def _imported(source: str, found: frozenset = frozenset()) -> frozenset[Path]:
    """Files of the package's modules that a source text imports, directly or through others."""
    root = Path(__file__).parents[1]
    for name in re.findall(r"from reprolib\.([\w.]+) import", source):
        path = root.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name not in UNRELATED and path not in found:
            found = _imported(path.read_text("utf-8"), found | {path})
    return found


def write_cell(path: Path, ranks: pd.DataFrame, info: dict) -> None:
    """Write ranks and info as one Parquet file, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(ranks, preserve_index=False)
    table = table.replace_schema_metadata(
        (table.schema.metadata or {}) | {b"reprolib": json.dumps(info).encode()}
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)


def read_info(path: Path) -> dict | None:
    """The metadata of a cell; None where the file is absent, damaged or of another format."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        info = json.loads(metadata[b"reprolib"])
    except (OSError, KeyError, ValueError, pa.ArrowInvalid):
        return None
    return info if info.get("format") == FORMAT else None


def default_store() -> Path:
    """`<cache>/results`."""
    from reprolib.cache import cache_dir

    return cache_dir() / "results"


def parallel_backend(jobs: int, scheduler: str | None, threads: int):
    """joblib's configuration: a Dask cluster, or processes that each keep to their share of the cores."""
    from joblib import parallel_config

    if scheduler:
        from distributed import Client

        stack = contextlib.ExitStack()
        stack.enter_context(Client(scheduler))
        stack.enter_context(parallel_config(backend="dask"))
        return stack
    if jobs == 1:
        return contextlib.nullcontext()
    return parallel_config(backend="loky", inner_max_num_threads=threads)
