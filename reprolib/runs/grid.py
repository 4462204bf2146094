"""A grid of runs to one RankTable: what is stored is not run again, what fails is reported, the rest goes on."""

import contextlib
import functools
import itertools
import os
import socket
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from reprolib.data.datasets import load_dataset
from reprolib.data.origin import Origin
from reprolib.data.split import parse_direction
from reprolib.evaluate.rank_table import FACTORS, RANK_COLUMNS, label
from reprolib.runs.digest import code_digest, digest_of, options_text
from reprolib.runs.published_ranks import PLACE, find_published
from reprolib.runs.store import (
    FORMAT,
    Cell,
    DamagedCell,
    cell_path,
    default_store,
    read_cell,
    write_cell,
)
from reprolib.runs.systems import (
    find_system,
    nearest,
    options_of,
    resolved_options,
    system_names,
    train,
)

# what only some systems report of a run
REPORTED = (
    "annotator",
    "encoder",
    "llm_calls",
    "latency_ms",
    "memory_gb",
    "alpha",
    "beta",
    "gamma",
)
# options by which a system reads texts of the data set, so that their digest counts
READS_TEXT = ("annotator", "lm")


@dataclass(frozen=True)
class Run:
    """One cell of a grid; build runs with `runs(...)`.

    system     name in the registry
    dataset    name for `load_dataset`
    direction  "source->target" or one domain
    variant    what tells this setting from others of the same system in a table: "w/o CDBehav", "K=4"
    options    the options that were given, as sorted (name, value) pairs; the others have the system's defaults
    """

    system: str
    dataset: str
    direction: str
    seed: int = 0
    protocol: str = "leave-one-out"
    variant: str = ""
    options: tuple[tuple[str, object], ...] = ()

    @property
    def resolved(self) -> dict[str, object]:
        """Every option that the system runs with."""
        return resolved_options(self.system, dict(self.options))

    @property
    def on(self) -> str:
        """The first stage whose lists a reranker reorders, else ""."""
        return str(self.resolved.get("generator", ""))

    @property
    def label(self) -> str:
        """What a table calls the system."""
        return label(self.system, self.variant, self.on)

    @property
    def factors(self) -> dict[str, object]:
        """The columns by which a RankTable tells its rows from those of other runs."""
        return {
            "system": self.system,
            "variant": self.variant,
            "on": self.on,
            "dataset": self.dataset,
            "direction": self.direction,
            "seed": self.seed,
            "protocol": self.protocol,
        }


@dataclass
class Failure:
    """A run that raised.

    sentence   the error in one line, the cure included
    traceback  where it was raised
    """

    run: Run
    sentence: str
    traceback: str


@dataclass
class Grid:
    """What `run_grid` gives.

    cells     (run, what it left) of every finished run
    failures  the runs that raised
    """

    cells: list[tuple[Run, Cell]]
    failures: list[Failure] = field(default_factory=list)

    @functools.cached_property
    def ranks(self) -> pd.DataFrame:
        """The RankTable of all finished runs."""
        tables = [_with_factors(run, cell.ranks) for run, cell in self.cells]
        if not tables:
            return pd.DataFrame(columns=list(RANK_COLUMNS))
        return pd.concat(tables, ignore_index=True)

    @functools.cached_property
    def cost(self) -> pd.DataFrame:
        """One row per finished run: its factors, size, time, how training ended, and what its system reports."""
        rows = [run.factors | {"label": run.label} | cost_of(cell.info) for run, cell in self.cells]
        return pd.DataFrame(rows, columns=None if rows else [*FACTORS, "label"])

    @property
    def holes(self) -> pd.DataFrame:
        """Factors of the runs that failed, with the reason; `summarise(holes=...)` shows them as rows."""
        rows = [failure.run.factors | {"reason": failure.sentence} for failure in self.failures]
        return pd.DataFrame(rows, columns=[*FACTORS, "reason"])

    @property
    def origin(self) -> Origin:
        """Data, users, seeds and authors of texts of the finished runs."""
        users: dict[str, set[int]] = {}
        total = Origin()
        for run, cell in self.cells:
            users.setdefault(run.dataset, set()).update(cell.ranks["user"].tolist())
            info = cell.info
            annotators = tuple(filter(None, str(info.get("annotator", "")).split(", ")))
            encoders = tuple(filter(None, [info.get("encoder", "")]))
            total |= Origin((), (info["split"],), (run.seed,), annotators, encoders)
        return total | Origin(tuple((name, len(codes)) for name, codes in users.items()))

    def where(self, **factors: object) -> "Grid":
        """The part of the grid whose factors have these values; a list stands for any of its values."""
        wanted = {k: v if isinstance(v, list | tuple) else [v] for k, v in factors.items()}

        def chosen(run: Run) -> bool:
            return all(run.factors[name] in values for name, values in wanted.items())

        failures = [failure for failure in self.failures if chosen(failure.run)]
        return Grid([(run, cell) for run, cell in self.cells if chosen(run)], failures)

    def __add__(self, other: "Grid") -> "Grid":
        """Both grids together; a run that stands in both counts once."""
        known = {run for run, _ in self.cells}
        new = [(run, cell) for run, cell in other.cells if run not in known]
        return Grid([*self.cells, *new], [*self.failures, *other.failures])


def runs(
    systems: Iterable[str],
    dataset: str,
    directions: str | list[str],
    seeds: Iterable[int] = (0,),
    protocol: str = "leave-one-out",
    variant: str = "",
    **options: object,
) -> list[Run]:
    """All (direction, system, seed) cells.

    directions  "source->target" or one domain, one or several
    variant     what a table adds to the systems' names
    options     go to the systems that have them; one that no system knows is an error
    Raises ValueError on an unknown system or option.
    """
    known = {name: options_of(name) for name in systems}
    if not set(options) <= {option for own in known.values() for option in own}:
        anywhere = {option for name in system_names() for option in options_of(name)}
        for option in options:
            if option not in anywhere:
                raise ValueError(
                    f"no system has an option {option!r}{nearest(option, sorted(anywhere))}"
                )
    cells = []
    for direction in [directions] if isinstance(directions, str) else directions:
        parse_direction(direction)
        for name, own in known.items():
            chosen = tuple(sorted((k, _hashable(v)) for k, v in options.items() if k in own))
            first = Run(name, dataset, direction, 0, protocol, variant, chosen)
            cells.extend(replace(first, seed=seed) for seed in seeds)
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
    """Execute the cells that neither the store nor the published ranks hold, then give all of them.

    store      folder of cells; default `<cache>/results`
    data_dir   folder of real data sets; default $REPROLIB_DATA
    jobs       processes on this machine; the cores (or $OMP_NUM_THREADS of them) are shared out among them
    scheduler  address of a Dask scheduler ("tcp://host:8786"): cells run on its workers, which must see `store`
    A run that fails is said in one line that begins with "failed: ", and the rest goes on. A damaged cell is named and
    made again. Ctrl-C loses only the cells in flight.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    store = Path(store) if store else default_store()
    store.mkdir(parents=True, exist_ok=True)
    digests, unread = _digests(cells, data_dir)
    done = {run: _read(cell_path(store, digest)) for run, digest in digests.items()}
    published = _published([run for run in [*done, *unread] if done.get(run) is None], data_dir)
    done |= published
    failures = [_failure(run, error) for run, error in unread.items() if run not in published]
    missing = [run for run, cell in done.items() if cell is None]
    if published:
        print(_published_sentence(published))
    threads = max(1, int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1) // jobs)
    silent = not (progress and missing)
    with (
        parallel_backend(jobs, scheduler, threads),
        tqdm(total=len(missing), desc="runs", unit="run", disable=silent) as bar,
    ):
        work = (
            delayed(execute)(run, digests[run], str(store), data_dir, threads) for run in missing
        )
        workers = -1 if scheduler else jobs
        for run, failure in Parallel(return_as="generator_unordered", n_jobs=workers)(work):
            bar.update()
            if failure is not None:
                failures.append(failure)
            else:
                done[run] = _read(cell_path(store, digests[run]))
    for failure in failures:
        where = f"{failure.run.label} on {failure.run.dataset}, {failure.run.direction}"
        print(f"failed: {where}, seed {failure.run.seed}: {failure.sentence}")
    return Grid([(run, cell) for run, cell in done.items() if cell is not None], failures)


def execute(
    run: Run, digest: str, store: str, data_dir: str | None, threads: int
) -> tuple[Run, Failure | None]:
    """Train, rank and store one cell; returns the run, and its failure if it has one."""
    import torch

    from reprolib.evaluate.ranking import catalogue_coverage
    from reprolib.training.ranks import rank_fitted, top_lists

    torch.set_num_threads(threads)
    try:
        started = time.perf_counter()
        dataset = load_dataset(run.dataset, run.direction, run.protocol, data_dir)
        split = dataset.split
        with own_device(Path(store)):
            fitted = train(run.system, dataset, run.seed, progress=False, **dict(run.options))
        if fitted.ended == "interrupted":
            raise KeyboardInterrupt
        first, last = split.candidates
        coverage = float("nan")
        if fitted.reranked is None:
            top = top_lists(fitted, split, "test", 10)
            coverage = catalogue_coverage(top, last - first + 1)
        ranks = rank_fitted(fitted, split, system=run.system, seed=run.seed)
        info = {
            "run": run.factors | {"options": run.resolved},
            "split": split.digest,
            "code": system_code(run.system),
            "history": fitted.history,
            "steps": fitted.steps,
            "looks": fitted.looks,
            "best_look": fitted.best_look,
            "ended": fitted.ended,
            "parameters": fitted.parameters,
            "train_seconds": fitted.seconds,
            "coverage@10": coverage,
            "seconds": time.perf_counter() - started,
            "users": len(ranks),
        }
        write_cell(cell_path(Path(store), digest), ranks, info | fitted.report)
    except Exception as error:
        return run, _failure(run, error)
    return run, None


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


def cell_digest(run: Run, data_dir: str | None = None) -> str:
    """SHA-256 (24 digits) of the run with all its options, the prepared data and the code that matters."""
    dataset = load_dataset(run.dataset, run.direction, run.protocol, data_dir)
    options = run.resolved
    texts = dataset.text_digest if any(name in options for name in READS_TEXT) else ""
    return digest_of(
        FORMAT,
        run.factors,
        options_text(options),
        dataset.split.digest,
        texts,
        system_code(run.system),
    )


def system_code(system: str) -> str:
    """Digest of the code that can move the system's ranks, its first stages included."""
    return code_digest(find_system(system).module)


def cost_of(info: dict) -> dict[str, object]:
    """What a record says of a run's cost and of how its training ended."""
    history = info["history"]
    names = (
        "parameters",
        "train_seconds",
        "seconds",
        "coverage@10",
        "steps",
        "looks",
        "best_look",
        "ended",
    )
    looked = [row["NDCG@10"] for row in history if "NDCG@10" in row]
    return (
        {name: info[name] for name in names}
        | {"epochs": history[-1]["epoch"] if history else 0}
        | {"validation": max(looked, default=0.0)}
        | {name: info[name] for name in REPORTED if name in info}
    )


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


def _digests(cells: list[Run], data_dir: str | None) -> tuple[dict[Run, str], dict[Run, Exception]]:
    """The digest of each run, and the error of each whose data cannot be read or whose options are wrong."""
    digests, unread = {}, {}
    for run in dict.fromkeys(cells):
        try:
            digests[run] = cell_digest(run, data_dir)
        except (ValueError, OSError) as error:
            unread[run] = error
    return digests, unread


def _published(runs_wanted: list[Run], data_dir: str | None) -> dict[Run, Cell]:
    """The runs among them whose ranks are published; not those that were made on other data than are here."""
    found = {}
    for run in runs_wanted:
        try:
            cell = find_published(run.factors, run.resolved, options_of(run.system))
        except ValueError:  # an unknown system or option; the digest has said so
            continue
        if cell is None:
            continue
        here = _split_digest(run, data_dir)
        if here in ("", cell.info["split"]):
            found[run] = cell
    return found


def _split_digest(run: Run, data_dir: str | None) -> str:
    """Digest of the run's events; "" where the data are not here."""
    try:
        return load_dataset(run.dataset, run.direction, run.protocol, data_dir).split.digest
    except (ValueError, OSError):
        return ""


def _published_sentence(published: dict[Run, Cell]) -> str:
    """How many runs were not made here, and by which code."""
    earlier = {
        run.label for run, cell in published.items() if cell.info["code"] != system_code(run.system)
    }
    text = f"{len(published)} runs are published ranks ({PLACE.as_posix()}); --retrain makes them anew."
    if earlier:
        text += f" The code has changed since for {', '.join(sorted(earlier))}."
    return text


def _failure(run: Run, error: Exception) -> Failure:
    sentence = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return Failure(run, sentence, traceback.format_exc())


def _read(path: Path) -> Cell | None:
    """The stored cell, or None; a damaged one is named."""
    try:
        return read_cell(path)
    except DamagedCell as error:
        print(f"damaged: {error}; it is made again")
        return None


def _with_factors(run: Run, ranks: pd.DataFrame) -> pd.DataFrame:
    """Ranks with the run's factors as (categorical, where text) columns in front."""
    table = ranks.assign(**run.factors, negatives=0)
    return table[list(RANK_COLUMNS)]


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
