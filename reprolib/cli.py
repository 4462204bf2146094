"""The `reprolib` command. Heavy imports stand inside the commands, so that --help is instant."""

import sys
from typing import ClassVar

import click

from reprolib import __version__


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
        "results": ("reprolib.runs.cli", "results", "List, show and prune stored runs."),
    }

    def list_commands(self, context):
        return sorted({*super().list_commands(context), *self.modules})

    def get_command(self, context, name):
        if name not in self.modules:
            return super().get_command(context, name)
        return click.Command(name, short_help=self.modules[name][2])

    def resolve_command(self, context, arguments):
        name = arguments[0] if arguments else None
        if name in self.modules:
            return name, self._load(name), arguments[1:]
        return super().resolve_command(context, arguments)

    def _load(self, name: str) -> click.Command:
        import importlib

        module, attribute, _ = self.modules[name]
        return getattr(importlib.import_module(module), attribute)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main():
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
    "--figures", type=click.Path(file_okay=False), help="Where to render; default figures/PROFILE."
)
def run(names, profile, jobs, settings, scheduler, figures):
    """Execute notebooks (default: all) and render their tables and figures.

    A notebook is named by stem, number or path; a path is the file that it names. The exit code is 1 where a
    notebook failed and 130 after Ctrl-C.
    """
    from pathlib import Path

    from reprolib.run_notebooks import INTERRUPTED, run_notebooks

    folder = Path(figures) if figures else None
    try:
        outcomes = run_notebooks(
            names, profile, jobs, _settings(settings), scheduler, figures=folder
        )
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
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
    sys.exit(0 if len(finished) == len(outcomes) else 1)


@main.command("list")
def list_notebooks():
    """List the notebooks with their titles."""
    from reprolib.project import notebooks, read_notebook, root_folder

    for path in notebooks(root_folder()):
        cell = read_notebook(path)["cells"][0]
        title = "".join(cell["source"]).splitlines()[0].lstrip("# ")
        click.echo(f"{path.stem:<28} {title}")


@main.command()
@click.argument("names", nargs=-1, metavar="[NOTEBOOK]...")
def check(names):
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
@click.argument("new", type=click.Path(file_okay=False), default="figures/quick")
@click.argument("committed", required=False, type=click.Path(exists=True, file_okay=False))
def compare(new, committed):
    """Did I get your numbers? Hold the tables in NEW against the COMMITTED ones, cell by cell.

    NEW is figures/quick where it is not given; COMMITTED is the same folder in the last commit. The exit code is 1
    where a cell is different or missing.
    """
    from contextlib import nullcontext
    from pathlib import Path

    from reprolib.committed_figures import committed_folder
    from reprolib.project import root_folder
    from reprolib.report.compare import compare_folders

    try:
        folder = root_folder() / new if new == "figures/quick" else Path(new)
        source = nullcontext(Path(committed)) if committed else committed_folder(folder)
        with source as reference:
            cells = compare_folders(folder, reference)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    is_fault = cells["verdict"].isin(["different", "missing"])
    for table, verdicts in cells.groupby("table", sort=True)["verdict"]:
        counts = ", ".join(
            f"{count} {verdict}" for verdict, count in verdicts.value_counts().items()
        )
        click.echo(f"{table}: {counts}")
    for cell in cells[is_fault].head(20).itertuples():
        click.echo(
            f"  {cell.table}, {cell.row}, {cell.column}: {cell.new} here, {cell.committed} committed"
        )
    if is_fault.sum() > 20:
        click.echo(f"  and {is_fault.sum() - 20} more")
    click.echo(f"{len(cells)} cells compared, {is_fault.sum()} different or missing")
    sys.exit(1 if is_fault.any() else 0)


@main.command()
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False))
def text(notebook):
    """Print a notebook as plain text, cell by cell (git diffs notebooks through it)."""
    from pathlib import Path

    from reprolib.notebook_style import as_text

    try:
        click.echo(as_text(Path(notebook)))
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
