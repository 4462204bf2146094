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
    """Execute notebooks (default: all; named by stem or number) and render their tables and figures."""
    from pathlib import Path

    from reprolib.run_notebooks import run_notebooks

    try:
        outcomes = run_notebooks(
            names, profile, jobs, _settings(settings), scheduler, figures and Path(figures)
        )
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from None
    failed = [o for o in outcomes if o.error]
    click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} notebooks ran")
    for outcome in failed:
        click.echo(f"  {outcome.notebook}, {outcome.error}")
    sys.exit(1 if failed else 0)


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
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    for problem in found:
        click.echo(problem)
    click.echo(f"{len(found)} problems" if found else "parameters and notebooks are in order")
    sys.exit(1 if found else 0)


@main.command()
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False))
def text(notebook):
    """Print a notebook as plain text, cell by cell (git diffs notebooks through it)."""
    from pathlib import Path

    from reprolib.notebook_style import as_text

    click.echo(as_text(Path(notebook)))


def _settings(pairs: tuple[str, ...]) -> dict:
    import yaml

    settings = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise click.BadParameter(
                f"{pair!r} is not KEY=VALUE, for example SEEDS=[0,1]", param_hint="--set"
            )
        settings[key.strip()] = yaml.safe_load(value)
    return settings
