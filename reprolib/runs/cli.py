"""`reprolib results`: what the store of runs holds, what of it is published, and how it is judged."""

from pathlib import Path

import click


@click.group()
@click.option(
    "--store",
    type=click.Path(file_okay=False),
    help="Folder of stored runs; default <cache>/results.",
)
@click.pass_context
def results(context: click.Context, store: str | None) -> None:
    """List, show, judge, publish and prune stored runs."""
    from reprolib.runs.store import default_store

    context.obj = Path(store) if store else default_store()


@results.command("list")
@click.pass_obj
def list_runs(store: Path) -> None:
    """One line per stored run."""
    from reprolib.evaluate.rank_table import label

    count = 0
    for path in sorted(store.glob("*.parquet")):
        info, reason = _open(path)
        if info is None:
            click.echo(f"{path.stem}  {reason}; prune removes it")
            continue
        run = info["run"]
        name = label(run["system"], run["variant"], run["on"])
        where = f"{run['dataset']} {run['direction']} seed {run['seed']}"
        click.echo(
            f"{path.stem}  {name:<14} {where}  {info['users']:,} users, {info['seconds']:.1f} s"
        )
        count += 1
    click.echo(f"{count} runs in {store}")


@results.command()
@click.argument("digest")
@click.pass_obj
def show(store: Path, digest: str) -> None:
    """The record, training history and metrics of one run (a unique beginning of its digest is enough)."""
    import json

    from reprolib.evaluate.rank_table import FACTORS
    from reprolib.evaluate.summary import summarise
    from reprolib.runs.store import read_cell

    found = sorted(store.glob(f"{digest}*.parquet"))
    if len(found) != 1:
        raise click.ClickException(
            f"{digest!r} fits {len(found)} stored runs; see reprolib results list"
        )
    info, reason = _open(found[0])
    if info is None:
        raise click.ClickException(f"{found[0].name} is {reason}; run its grid again")
    click.echo(json.dumps(info, indent=1))
    factors = {name: info["run"][name] for name in FACTORS}
    ranks = read_cell(found[0]).ranks.assign(**factors, negatives=0)
    click.echo(summarise(ranks, ["HR@10", "NDCG@10", "MRR"]).to_string(index=False))


@results.command()
@click.argument("dataset", required=False)
@click.option("--metric", default="NDCG@10", show_default=True)
@click.option("--sampled", type=click.IntRange(1), help="Expected among so many negatives.")
@click.pass_obj
def judge(store: Path, dataset: str | None, metric: str, sampled: int | None) -> None:
    """Tables and tests of stored ranks, nothing is trained: every data set, or one.

    For the ranks behind figures/real: reprolib results --store figures/real/ranks judge
    """
    from reprolib.runs.judge import judged_places

    for heading, table, tests in judged_places(store, dataset, metric, sampled):
        click.echo(f"\n{heading}")
        click.echo(table.to_string(index=False))
        if len(tests):
            click.echo(tests.to_string(index=False))


@results.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.pass_obj
def publish(store: Path, folder: Path | None) -> None:
    """Copy finished runs on real data, made by the present code, to FOLDER (default: figures/real/ranks)."""
    from reprolib.folders import root_folder
    from reprolib.runs.published_ranks import PLACE
    from reprolib.runs.published_ranks import publish as copy_to

    goal = folder or root_folder() / PLACE
    new = copy_to(store, goal, lambda info: info["code"] == _current(info["run"]["system"]))
    size = sum(path.stat().st_size for path in goal.glob("*.parquet")) / 1e6
    click.echo(f"{len(new)} runs are new in {goal}, which now holds {size:.1f} MB")


@results.command()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Remove every run, not only what cannot be used any more.",
)
@click.pass_obj
def prune(store: Path, everything: bool) -> None:
    """Remove runs that are damaged, half-written, of another version or made by other code."""
    removed = 0
    for path in [*store.glob("*.parquet"), *store.glob(".*.parquet.*")]:
        info = None if path.name.startswith(".") else _open(path)[0]
        if everything or info is None or info["code"] != _current(info["run"]["system"]):
            path.unlink()
            removed += 1
    click.echo(f"removed {removed} files from {store}")


def _open(path: Path) -> tuple[dict | None, str]:
    """(the record, ""), or (None, why the cell cannot be used)."""
    from reprolib.runs.store import DamagedCell, read_cell

    try:
        cell = read_cell(path)
    except DamagedCell as error:
        return None, f"damaged ({error})"
    return (None, "of another version") if cell is None else (cell.info, "")


def _current(system: str) -> str:
    """Digest of the system's code as it is now; "" where the system no longer exists."""
    from reprolib.runs.grid import system_code
    from reprolib.runs.systems import SYSTEMS

    return system_code(system) if system in SYSTEMS else ""
