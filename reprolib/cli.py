"""The `reprolib` command. Heavy imports stand inside the commands, so that --help is instant."""

import importlib
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from reprolib import __version__

if TYPE_CHECKING:
    import pandas as pd

MOST_CELLS = 20  # that `compare` names one by one


class Lazy(click.Group):
    """A group whose subgroups are imported only when they are used."""

    modules: ClassVar = {
        "data": ("reprolib.data.cli", "data", "List, describe and download data sets."),
        "llm": ("reprolib.llm.cli", "llm", "Estimate, run, export, import and show LLM work."),
        "persona4rec": (
            "reprolib.papers.persona4rec.serving.cli",
            "persona4rec",
            "Build, query and serve an index of item personas.",
        ),
        "results": (
            "reprolib.runs.cli",
            "results",
            "List, show, judge, publish and prune stored runs.",
        ),
    }

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *self.modules})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.modules:
            return super().get_command(context, name)
        return click.Command(name, short_help=self.modules[name][2])

    def resolve_command(self, context: click.Context, arguments: list[str]) -> tuple:
        if arguments and arguments[0] in self.modules:
            return arguments[0], self._load(arguments[0]), arguments[1:]
        return super().resolve_command(context, arguments)

    def _load(self, name: str) -> click.Command:
        module, attribute, _ = self.modules[name]
        return getattr(importlib.import_module(module), attribute)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Five papers on persona- and LLM-based cross-domain recommendation, as executable notebooks."""


@main.command()
@click.argument("names", nargs=-1, metavar="[NOTEBOOK]...")
@click.option(
    "--profile", "-p", default="quick", show_default=True, help="smoke, quick, real or paper."
)
@click.option(
    "--jobs",
    "-j",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Notebooks at a time.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a parameter; repeatable.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Run on a Dask cluster, for example tcp://host:8786."
)
@click.option(
    "--figures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to render; default figures/PROFILE.",
)
@click.option("--retrain", is_flag=True, help="Train what published ranks hold, too.")
def run(
    names: tuple[str, ...],
    profile: str,
    jobs: int,
    settings: tuple[str, ...],
    scheduler: str | None,
    figures: Path | None,
    retrain: bool,
) -> None:
    """Execute notebooks (default: all) and render their tables and figures.

    A notebook is named by stem, number or path; a path is the file that it names. The exit code is 1 where a
    notebook failed and 130 after Ctrl-C.
    """
    import os

    from reprolib.run_notebooks import INTERRUPTED, reason_of, run_notebooks

    if retrain:
        os.environ["REPROLIB_RETRAIN"] = "1"  # the kernels inherit it
    try:
        overrides = _settings(settings)
        outcomes = run_notebooks(names, profile, jobs, overrides, scheduler, figures)
    except (ValueError, OSError) as error:
        raise click.ClickException(reason_of(error)) from None
    finished = [outcome for outcome in outcomes if not outcome.error]
    was_interrupted = any(outcome.error == INTERRUPTED for outcome in outcomes)
    click.echo(f"{len(finished)} of {len(outcomes)} notebooks ran")
    for outcome in outcomes:
        if outcome.error:
            click.echo(f"  {outcome.notebook}, {outcome.error}")
        elif was_interrupted:
            click.echo(f"  {outcome.notebook}, ran in {outcome.seconds:.1f} s")
    if was_interrupted:
        click.echo("interrupted; what was computed is stored, the same command goes on from there")
        sys.exit(130)
    sys.exit(int(len(finished) < len(outcomes)))


@main.command()
def lab() -> None:
    """Open JupyterLab on the whole project, so that documents, parameters and figures can be opened, too."""
    import os

    from reprolib.project import root_folder
    from reprolib.run_notebooks import quiet_environment

    try:
        root = root_folder()
    except OSError as error:
        raise click.ClickException(str(error)) from None
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
    ]
    os.execve(sys.executable, command, {**os.environ, **quiet_environment()})


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
def stale(folder: Path | None) -> None:
    """Name the tables and figures in FOLDER that other code or other data made than there are now.

    FOLDER is figures/quick where it is not given.
    """
    from reprolib.project import root_folder
    from reprolib.report import provenance

    find_stale = getattr(provenance, "stale", None)
    if find_stale is None:
        click.echo("this version cannot tell what is stale")
        return
    try:
        folder = folder or root_folder() / "figures" / "quick"
        names = list(find_stale(folder))
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for name in names:
        click.echo(f"stale: {name}")
    click.echo(f"{len(names)} stale tables and figures in {folder}")


@main.command("list")
def list_notebooks() -> None:
    """List the notebooks with their titles."""
    from reprolib.project import notebooks, read_notebook, root_folder

    for path in notebooks(root_folder()):
        cell = read_notebook(path)["cells"][0]
        title = "".join(cell["source"]).splitlines()[0].lstrip("# ")
        click.echo(f"{path.stem:<28} {title}")


@main.command()
@click.argument("names", nargs=-1, metavar="[NOTEBOOK]...")
def check(names: tuple[str, ...]) -> None:
    """Check YAML keys against notebook parameters, and the notebooks' style."""
    from reprolib.notebook_style import problems
    from reprolib.project import root_folder

    try:
        found = problems(root_folder(), names)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for problem in found:
        click.echo(problem)
    if found:
        click.echo(f"{len(found)} problems")
        sys.exit(1)
    click.echo("parameters and notebooks are in order")


@main.command()
@click.argument("new", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.argument(
    "committed", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False
)
def compare(new: Path | None, committed: Path | None) -> None:
    """Did I get your numbers? Hold the tables in NEW against the COMMITTED ones, cell by cell.

    NEW is figures/quick where it is not given; COMMITTED is the same folder in the last commit. The exit code is 1
    where a cell is different or missing.
    """
    from reprolib.committed_figures import committed_folder
    from reprolib.project import root_folder
    from reprolib.report.compare import compare_folders

    try:
        new = new or root_folder() / "figures" / "quick"
        with nullcontext(committed) if committed else committed_folder(new) as reference:
            cells = compare_folders(new, reference)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for line in _comparison_lines(cells):
        click.echo(line)
    sys.exit(int(_is_fault(cells).any()))


def _comparison_lines(cells: "pd.DataFrame") -> list[str]:
    """A line per table, the first cells that differ, and a sum."""
    lines = []
    for table, verdicts in cells.groupby("table", sort=True)["verdict"]:
        counts = [f"{count} {verdict}" for verdict, count in verdicts.value_counts().items()]
        lines.append(f"{table}: {', '.join(counts)}")
    faults = cells[_is_fault(cells)]
    for cell in faults.head(MOST_CELLS).itertuples():
        lines.append(
            f"  {cell.table}, {cell.row}, {cell.column}: {cell.new} here, {cell.committed} committed"
        )
    if len(faults) > MOST_CELLS:
        lines.append(f"  and {len(faults) - MOST_CELLS} more")
    lines.append(f"{len(cells)} cells compared, {len(faults)} different or missing")
    return lines


def _is_fault(cells: "pd.DataFrame") -> "pd.Series":
    return cells["verdict"].isin(["different", "missing"])


@main.command()
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def text(notebook: Path) -> None:
    """Print a notebook as plain text, cell by cell (git diffs notebooks through it)."""
    from reprolib.notebook_style import as_text

    try:
        click.echo(as_text(notebook))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _settings(pairs: tuple[str, ...]) -> dict[str, object]:
    """{"SEEDS": [0, 1]} of ("SEEDS=[0,1]",). Raises ParameterError on what is no KEY=VALUE or no YAML."""
    from reprolib.flat_yaml import ParameterError, read_value

    settings = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ParameterError(f"--set {pair}: is not KEY=VALUE, for example --set 'SEEDS=[0,1]'")
        try:
            settings[key] = read_value(value)
        except ParameterError as error:
            raise ParameterError(f"--set {key}: {error}") from None
    return settings
