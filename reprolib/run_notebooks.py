"""Executes copies of the notebooks with papermill, in parallel; a failed notebook does not stop the others."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from reprolib.project import notebooks, parameters, root_folder

LATE = (
    "42",
    "9",
)  # first digits: the one measures milliseconds, so alone; the others read what was stored, so last


@dataclass(frozen=True)
class Outcome:
    """How one notebook ended: error is "" when it ran through, else "cell N: ErrorName: message"."""

    notebook: str
    seconds: float
    error: str = ""


def run_notebooks(
    names: tuple[str, ...] = (),
    profile: str = "quick",
    jobs: int = 1,
    overrides: dict | None = None,
    scheduler: str | None = None,
    figures: Path | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Execute the notebooks (default: all) and render their tables and figures.

    figures    where `<part>/...` goes; default `<root>/figures/<profile>`. Executed copies and their HTML go to
               `<figures>/notebooks/`
    jobs       notebooks at a time; the cores are shared out among them
    scheduler  address of a Dask scheduler: notebooks run on its workers, which must see the same folders
    Raises ParameterError before any kernel starts when a parameter does not fit.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    from reprolib.report import write_index
    from reprolib.runs.grid import parallel_backend

    root = root_folder()
    figures = (figures or root / "figures" / profile).resolve()
    fixed = {"FIGURES": str(figures)} | (overrides or {})
    tasks = [(path, parameters(root, profile, path, fixed)) for path in notebooks(root, names)]
    _all_used(overrides or {}, [p for _, p in tasks])
    threads = max(1, (os.cpu_count() or 1) // jobs)
    waves = [
        [t for t in tasks if not t[0].stem.startswith(LATE)],
        *([t for t in tasks if t[0].stem.startswith(digits)] for digits in LATE),
    ]
    outcomes = []
    with tqdm(total=len(tasks), unit="notebook", disable=not progress) as bar:
        for wave in filter(None, waves):
            with parallel_backend(jobs, scheduler, threads):
                work = (
                    delayed(execute)(path, values, figures / "notebooks", threads)
                    for path, values in wave
                )
                parallel = Parallel(
                    n_jobs=-1 if scheduler else jobs, return_as="generator_unordered"
                )
                for outcome in parallel(work):
                    outcomes.append(outcome)
                    state = outcome.error or f"{outcome.seconds:.1f} s"
                    tqdm.write(
                        f"{'FAILED' if outcome.error else 'ran'} {outcome.notebook}: {state}"
                    )
                    bar.update()
    if figures.exists():
        write_index(figures)
    return sorted(outcomes, key=lambda o: o.notebook)


def execute(path: Path, values: dict, folder: Path, threads: int) -> Outcome:
    """Run one copy under papermill with the given parameters, keep it and its HTML in `folder`."""
    import papermill

    folder.mkdir(parents=True, exist_ok=True)
    copy, started, error = folder / path.name, time.perf_counter(), ""
    with _environment(
        OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), NUMBA_NUM_THREADS=str(threads)
    ):
        try:
            papermill.execute_notebook(
                str(path),
                str(copy),
                parameters=values,
                cwd=str(folder),
                progress_bar=False,
                log_output=False,
                kernel_name="python3",
            )
        except papermill.PapermillExecutionError as failure:
            error = f"cell {failure.cell_index}: {failure.ename}: {_first_line(failure.evalue)}"
        except Exception as failure:
            error = f"{type(failure).__name__}: {_first_line(str(failure))}"
    if copy.exists():
        _write_html(copy)
    return Outcome(path.name, time.perf_counter() - started, error)


def _write_html(notebook: Path) -> None:
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter(sanitize_html=True).from_filename(str(notebook))
    notebook.with_suffix(".html").write_text(html, "utf-8")


def _first_line(text: str) -> str:
    return (text.strip() or "no message").splitlines()[0]


def _all_used(overrides: dict, runs: list[dict]) -> None:
    from reprolib.project import ParameterError

    for key in overrides:
        if not any(key in values for values in runs):
            raise ParameterError(f"--set {key}: none of the chosen notebooks has that parameter")


@contextlib.contextmanager
def _environment(**values: str):
    """Set environment variables for kernels started inside."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
