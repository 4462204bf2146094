"""`reprolib results`: what the store of runs holds."""

from pathlib import Path

import click


@click.group()
@click.option(
    "--store",
    type=click.Path(file_okay=False),
    help="Folder of stored runs; default <cache>/results.",
)
@click.pass_context
def results(context, store):
    """List, show and prune stored runs."""
    from reprolib.runs.grid import default_store

    context.obj = Path(store) if store else default_store()


@results.command("list")
@click.pass_obj
def list_runs(store):
    """One line per stored run."""
    from reprolib.runs.grid import read_info

    count = 0
    for path in sorted(store.glob("*.parquet")):
        info = read_info(path)
        if info is None:
            click.echo(f"{path.stem}  unreadable or of another version; prune removes it")
            continue
        run = info["run"]
        direction = f"{run['source'] + '→' if run['source'] else ''}{run['target']}"
        click.echo(
            f"{path.stem}  {run['label'] or run['system']:<14} {run['dataset']} {direction} seed {run['seed']}  "
            f"{info['users']:,} users, {info['seconds']:.1f} s"
        )
        count += 1
    click.echo(f"{count} runs in {store}")


@results.command()
@click.argument("digest")
@click.pass_obj
def show(store, digest):
    """The record, training history and metrics of one run (a unique beginning of its digest is enough)."""
    import json

    import pandas as pd

    from reprolib.evaluate.metrics import summarise
    from reprolib.runs.grid import read_info

    found = sorted(store.glob(f"{digest}*.parquet"))
    if len(found) != 1:
        raise click.ClickException(
            f"{digest!r} fits {len(found)} stored runs; see reprolib results list"
        )
    info = read_info(found[0])
    if info is None:
        raise click.ClickException(
            f"{found[0].name} is unreadable or of another version; run its grid again"
        )
    click.echo(json.dumps(info, indent=1))
    click.echo(
        summarise(pd.read_parquet(found[0]), ["HR@10", "NDCG@10", "MRR"]).to_string(index=False)
    )


@results.command()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Remove every run, not only what cannot be used any more.",
)
@click.pass_obj
def prune(store, everything):
    """Remove runs that are unreadable, half-written, of another version or made by other code."""
    from reprolib.runs.grid import read_info

    removed = 0
    for path in [*store.glob("*.parquet"), *store.glob(".*.parquet.*")]:
        info = None if path.name.startswith(".") else read_info(path)
        if everything or info is None or info.get("code") != _current(info["run"]["system"]):
            path.unlink()
            removed += 1
    click.echo(f"removed {removed} files from {store}")


def _current(system: str) -> str:
    """Digest of the system's code as it is now; "" where the system no longer exists."""
    from reprolib.runs.grid import code_digest
    from reprolib.runs.systems import SYSTEMS

    return code_digest(system) if system in SYSTEMS else ""
