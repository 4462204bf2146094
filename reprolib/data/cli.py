"""`reprolib data`: list, describe and download data sets. Heavy imports stand inside the commands."""

import click


@click.group()
def data():
    """List, describe and download data sets."""


@data.command("list")
@click.option("--all", "every", is_flag=True, help="Name every category of the families too.")
def list_sets(every):
    """Known public data sets, their size, and whether they are here."""
    from reprolib.data.sources.registry import FAMILY, data_folder, locate, source, sources

    click.echo(f"Data folder: {data_folder()}\n")
    for name, entry in sources().items():
        names = [name.replace(FAMILY, category) for category in entry.categories] if every else []
        for one in names or [name]:
            known = entry if FAMILY in one else source(one)
            state = (
                "here"
                if FAMILY not in one and locate(known)
                else "by hand"
                if entry.manual
                else "get"
            )
            size = f"{known.bytes / 1e6:.1f} MB" if known.bytes else ""
            click.echo(f"{one:<34} {state:<8} {size:>8}  {entry.about}")
    click.echo(
        "\n`reprolib data get NAME` downloads one; in NAME, {category} stands for a category (`list --all`)."
    )


@data.command()
@click.argument("path", type=click.Path(exists=True))
def describe(path):
    """Users, items, interactions, time span and malformed lines of a file or a folder of a data set."""
    with _sentences():
        _describe(path)


@data.command()
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False),
    help="Data folder; default $REPROLIB_DATA or cache.",
)
def get(name, folder):
    """Download the data set NAME, check it and write it in tidy form. Goes on where it was interrupted."""
    from reprolib.data.sources.registry import get as download
    from reprolib.data.sources.registry import source

    with _sentences():
        entry = source(name)
        click.echo(f"{entry.about}\nTerms: {entry.terms}\nCite: {entry.cite}")
        path = download(name, folder)
        click.echo(f"Written to {path}")
        if entry.convert:
            _describe(path)


def _describe(path) -> None:
    from pathlib import Path

    import polars as pl

    kind, content, reports = _content(Path(path))
    click.echo(f"{path}: {kind}")
    if isinstance(content, pl.DataFrame):
        rows = [
            ("facts", f"{content.height:,}"),
            ("subjects", f"{content['subject'].n_unique():,}"),
            ("relations", f"{content['relation'].n_unique():,}"),
        ]
    else:
        rows = _rows(content)
    lines, wrong = sum(r.lines for r in reports), sum(r.n_malformed for r in reports)
    for name, value in [*rows, ("malformed", f"{wrong:,} of {lines:,} lines")]:
        click.echo(f"  {name:<13} {value}")
    for report in reports:
        for number, why in report.malformed[:5]:
            click.echo(f"    {Path(report.path).name}, line {number}: {why}")


def _content(path):
    from reprolib.data.corpus import DataError
    from reprolib.data.readers import read_tidy
    from reprolib.data.readers.detect import read_any
    from reprolib.data.sources.registry import convert, sources

    if path.is_file():
        return read_any(path)
    if any(path.glob("interactions.parquet")) or (path / "corpus.json").is_file():
        corpus = read_tidy(path)
        return "tidy form", corpus, corpus.reports
    entry = next(
        (s for s in sources().values() if path.resolve().name in (s.name, s.folder) and s.convert),
        None,
    )
    if entry is None:
        raise DataError(
            f"{path} is not the folder of a known data set; expected one of `reprolib data list`, a tidy "
            "folder, or a file"
        )
    corpus = convert(entry, path)
    return entry.about, corpus, corpus.reports


def _rows(corpus) -> list[tuple[str, str]]:
    from datetime import UTC, datetime

    events = corpus.interactions
    rows = [
        ("users", f"{events['user'].n_unique():,}"),
        ("items", f"{events['item'].n_unique():,}"),
        ("interactions", f"{events.height:,}"),
    ]
    if len(corpus.domains) > 1:
        rows.append(("domains", ", ".join(corpus.domains)))
    if corpus.clock == "order":
        return [*rows, ("time", "order only, no times")]
    times = events["timestamp"]
    first, last = (datetime.fromtimestamp(time, UTC).date() for time in (times.min(), times.max()))
    gaps = f", {times.null_count():,} events without" if times.null_count() else ""
    return [*rows, ("time", f"{first} .. {last} (clock {corpus.clock}{gaps})")]


def _sentences():
    """Turn DataError into the command's error message: one sentence, no traceback."""
    from contextlib import contextmanager

    from reprolib.data.corpus import DataError

    @contextmanager
    def guard():
        try:
            yield
        except DataError as error:
            raise click.ClickException(str(error)) from None

    return guard()
