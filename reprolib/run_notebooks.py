"""Executes copies of the notebooks with papermill, in parallel; a failed notebook does not stop the others."""

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reprolib.project import ParameterError, figures_folder, notebooks, parameters, root_folder

MEASURES_TIME = "42"  # the notebook that measures milliseconds runs alone
READS_STORED_RUNS = (
    "9"  # notebooks that begin with this digit read what the others stored, so they run last
)
INTERRUPTED = "interrupted"
# what libraries write into a notebook without being asked; a variable that is set outside wins
QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": ",".join(
        (
            "ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning",
            "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning",
        )
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How one notebook ended.

    notebook  its file name
    seconds   how long it ran
    error     "" when it ran through, INTERRUPTED after Ctrl-C, else one sentence: "cell N: ErrorName: message"
    """

    notebook: str
    seconds: float
    error: str = ""


def run_notebooks(
    names: tuple[str, ...] = (),
    profile: str = "quick",
    jobs: int = 1,
    overrides: dict[str, object] | None = None,
    scheduler: str | None = None,
    figures: Path | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Execute notebooks and render their tables and figures.

    names      stems, numbers or paths; without names all of the project's
    profile    whose parameters are taken
    jobs       notebooks at a time; the cores are shared out among them
    overrides  {parameter: value} for every notebook that has the parameter
    scheduler  address of a Dask scheduler: notebooks run on its workers, which must see the same folders
    figures    where `<part>/...` goes; default `<root>/figures/<profile>`. Executed copies and their pages go to
               `<figures>/notebooks/`
    progress   whether a bar is drawn
    Returns one Outcome per notebook, by name; after Ctrl-C those that did not finish are INTERRUPTED.
    Raises ParameterError before any kernel starts when a name, a parameter or the folder does not fit.
    """
    from tqdm.auto import tqdm

    from reprolib.report import write_index

    root = root_folder()
    figures = (figures or root / "figures" / profile).resolve()
    values_for_all = {"FIGURES": str(figures)} | (overrides or {})
    paths = notebooks(root, names)
    tasks = {path: parameters(root, profile, path, values_for_all) for path in paths}
    _check_that_all_are_used(overrides or {}, list(tasks.values()))
    copies = _copies(root, paths, figures_folder(figures) / "notebooks")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    outcomes = {}
    with (
        contextlib.suppress(KeyboardInterrupt),
        _ended_as_a_whole(),
        tqdm(total=len(tasks), unit="notebook", disable=not progress) as bar,
    ):
        for wave in _waves(paths):
            work = [(path, tasks[path], copies[path], threads) for path in wave]
            for path, outcome in _executed(work, jobs, scheduler):
                outcomes[path] = outcome
                tqdm.write(_line(outcome))
                bar.update()
    for path in paths:
        outcomes.setdefault(path, Outcome(path.name, 0.0, INTERRUPTED))
    if figures.exists():
        write_index(figures)
    return sorted(outcomes.values(), key=lambda outcome: outcome.notebook)


@contextlib.contextmanager
def _ended_as_a_whole() -> Iterator[None]:
    """A polite kill (SIGTERM) ends the run as Ctrl-C does, and either ends its worker processes and their kernels."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # a signal can be caught in the main thread only
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=False, kill_workers=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _waves(paths: list[Path]) -> list[list[Path]]:
    """The notebooks in groups that may run at the same time."""
    measuring = [path for path in paths if path.stem.startswith(MEASURES_TIME)]
    reading = [path for path in paths if path.stem.startswith(READS_STORED_RUNS)]
    others = [path for path in paths if path not in measuring and path not in reading]
    return [wave for wave in (others, measuring, reading) if wave]


def _executed(
    work: list[tuple[Path, dict, Path, int]], jobs: int, scheduler: str | None
) -> Iterator[tuple[Path, Outcome]]:
    """(notebook, outcome) as they finish, on this machine or on a cluster."""
    from joblib import Parallel, delayed

    from reprolib.runs.grid import parallel_backend

    threads = work[0][3]
    with parallel_backend(jobs, scheduler, threads):
        parallel = Parallel(n_jobs=-1 if scheduler else jobs, return_as="generator_unordered")
        yield from parallel(delayed(_executed_with_path)(*task) for task in work)


def _executed_with_path(path: Path, values: dict, copy: Path, threads: int) -> tuple[Path, Outcome]:
    return path, execute(path, values, copy, threads)


def _line(outcome: Outcome) -> str:
    if outcome.error:
        return f"FAILED {outcome.notebook}: {outcome.error}"
    return f"ran {outcome.notebook}: {outcome.seconds:.1f} s"


def _copies(root: Path, paths: list[Path], folder: Path) -> dict[Path, Path]:
    """Where each notebook's executed copy goes: a file from elsewhere carries its folder's name."""
    copies = {}
    for path in paths:
        home = path.resolve().parent
        name = path.name
        if home != (root / "notebooks").resolve():
            name = f"{home.name}-{path.name}"
        copies[path] = folder / name
    for path in paths:
        same = [other for other in paths if copies[other] == copies[path]]
        if len(same) > 1:
            raise ParameterError(
                f"{' and '.join(map(str, same))} would be rendered into one file {copies[path].name}; "
                "run them one after the other with --figures"
            )
    return copies


def execute(path: Path, values: dict[str, object], copy: Path, threads: int) -> Outcome:
    """Run a notebook under papermill and keep the executed copy and its page, `copy` with the suffix .html.

    values   parameters
    copy     where the executed notebook is written; its folder is made and is the kernel's current folder
    threads  that the kernel may use
    A cell that raises, or that prints "failed: ..." about a run of a grid, makes the outcome a failed one.
    """
    started = time.perf_counter()
    variables = quiet_environment()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        variables[name] = str(threads)
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with _environment(variables):
            error = _execution_error(path, values, copy)
        if copy.exists():
            error = error or _failed_runs(copy)
            _write_page(copy, error, path.parent)
    except Exception as failure:
        error = reason_of(failure)
    return Outcome(path.name, time.perf_counter() - started, error)


def quiet_environment() -> dict[str, str]:
    """Environment variables for kernels whose notebooks show no warnings that no reader can act on."""
    return {name: os.environ.get(name, value) for name, value in QUIET.items()}


def _execution_error(path: Path, values: dict[str, object], copy: Path) -> str:
    """ "" when every cell ran, else what went wrong and in which cell."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    try:
        papermill.execute_notebook(
            str(path),
            str(copy),
            parameters=values,
            cwd=str(copy.parent),
            progress_bar=False,
            log_output=False,
            kernel_name="python3",
            kernel_manager_class=_quiet_kernel_manager(),
            extra_arguments=["--IPKernelApp.log_level=40"],
        )
    except papermill.PapermillExecutionError as failure:
        message = one_sentence(failure.evalue)
        return f"cell {failure.cell_index}: {failure.ename}: {message}"
    except DeadKernelError:
        return (
            "the kernel died, most often for lack of memory; run fewer notebooks at a time (--jobs 1) "
            "or a smaller profile"
        )
    return ""


def _quiet_kernel_manager() -> type:
    """A kernel manager whose kernels do not write to this terminal: their output is in the notebook."""
    import subprocess

    from jupyter_client import AsyncKernelManager

    class QuietKernelManager(AsyncKernelManager):
        async def start_kernel(self, **options) -> None:
            await super().start_kernel(stderr=subprocess.DEVNULL, **options)

    return QuietKernelManager


def _failed_runs(copy: Path) -> str:
    """ "" or the first run that the notebook reported as failed, and how many more there are."""
    import nbformat

    from reprolib.pages import failed_lines

    lines = failed_lines(nbformat.read(str(copy), as_version=4))
    if not lines:
        return ""
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"a run failed: {lines[0]}{more}"


def _write_page(copy: Path, error: str, source_folder: Path) -> None:
    from reprolib.pages import write_page

    write_page(copy, error, source_folder)


def reason_of(error: Exception) -> str:
    """An error of ours or of the system as one sentence with its cure."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = f" ({error.filename})" if error.filename else ""
        return f"the disk is full{place}; free some space or choose another folder with --figures"
    if isinstance(error, ValueError):
        return one_sentence(str(error))
    return one_sentence(f"{type(error).__name__}: {error}")


def one_sentence(message: str, most_lines: int = 6) -> str:
    """An error's message on one line, with the line that says what to do.

    Messages of many lines, such as tracebacks from another process, keep their first and their last line.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if len(lines) > most_lines:
        lines = [lines[0], "...", lines[-1]]
    return " ".join(lines) or "no message"


def _check_that_all_are_used(overrides: dict[str, object], runs: list[dict[str, object]]) -> None:
    for key in overrides:
        if not any(key in values for values in runs):
            raise ParameterError(f"--set {key}: none of the chosen notebooks has that parameter")


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for kernels started inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
