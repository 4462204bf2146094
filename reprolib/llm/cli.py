"""`reprolib llm`: estimate, run, export, import and show, for jobs that are too large for a notebook."""

import json
from pathlib import Path
from typing import Any

import click

TASK = click.option(
    "--task", required=True, help="Name of the task; `reprolib llm show --tasks` lists them."
)
INPUTS = click.option("--inputs", required=True, type=click.Path(exists=True, dir_okay=False),
                      help="JSON lines, one input per line.")  # fmt: skip
LLM = click.option("--llm", "spec", default="embedded", show_default=True,
                   help="embedded, openai:MODEL@BASE_URL, hf:MODEL or replay:FILE.jsonl")  # fmt: skip
CACHE = click.option(
    "--cache", type=click.Path(file_okay=False), help="Cache folder; default $REPROLIB_CACHE."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(1, 1024), help="Calls at a time; default 16 for a server."
)
PRICE = click.option("--price", nargs=2, type=float, default=(0.0, 0.0), metavar="PROMPT ANSWER",
                     help="Price per million prompt and answer tokens.")  # fmt: skip


class Sentences(click.Group):
    """A group that shows our errors as one sentence instead of a traceback."""

    def invoke(self, context: click.Context) -> Any:
        from reprolib.llm.task import LLMError

        try:
            return super().invoke(context)
        except (LLMError, ValueError) as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Sentences)
def llm() -> None:
    """Estimate, run, export, import and show LLM work."""


@llm.command()
@TASK
@INPUTS
@LLM
@CACHE
@PRICE
def estimate(
    task: str, inputs: str, spec: str, cache: str | None, price: tuple[float, float]
) -> None:
    """What a run would ask and cost at most. Nothing is asked."""
    from reprolib.llm import estimate as estimate_job
    from reprolib.llm import open_llm, task_named

    back_end = open_llm(spec, cache=cache)
    for name, value in estimate_job(task_named(task), _read(inputs), back_end, price=price).items():
        if isinstance(value, float):
            value = f"{value:,.4f}"
        click.echo(f"{name:27} {value}")


@llm.command()
@TASK
@INPUTS
@LLM
@CACHE
@WORKERS
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    help="File for the answers as JSON lines; default standard output.",
)
@click.option(
    "--reasks", default=2, show_default=True, help="How often a malformed answer is asked again."
)
def run(
    task: str,
    inputs: str,
    spec: str,
    cache: str | None,
    workers: int | None,
    out: str | None,
    reasks: int,
) -> None:
    """Answer every input; one line per input: the answer, or {"failure": why}. Run again to go on."""
    from reprolib.llm import complete_many, open_llm, task_named

    back_end = open_llm(spec, workers=workers, cache=cache)
    answers = complete_many(
        task_named(task), _read(inputs), back_end, reasks=reasks, on_failure="return"
    )
    with click.open_file(out or "-", "w", encoding="utf-8") as stream:
        for answer in answers:
            line = answer.model_dump_json() if answer else json.dumps({"failure": answer.reason})
            stream.write(line + "\n")
    failed = sum(not answer for answer in answers)
    if failed:
        raise click.ClickException(
            f"{failed} of {len(answers)} inputs have no usable answer; `reprolib llm show` tells why"
        )


@llm.command()
@click.argument("path", type=click.Path(dir_okay=False))
@click.option("--task", help="Only this task; needed for --batch.")
@click.option("--model", help="Only answers of this model.")
@click.option(
    "--batch",
    type=click.Path(exists=True, dir_okay=False),
    help="Inputs to ask elsewhere: write a batch file.",
)
@LLM
@CACHE
def export(
    path: str, task: str | None, model: str | None, batch: str | None, spec: str, cache: str | None
) -> None:
    """Write stored answers as JSON lines, or with --batch the open questions as an OpenAI batch file."""
    from reprolib.llm import export_answers, export_batch, open_llm, task_named

    if not batch:
        click.echo(
            f"{export_answers(path, cache=cache, task=task, model=model)} answers written to {path}"
        )
        return
    if not task:
        raise click.UsageError("--batch needs --task")
    files = export_batch(task_named(task), _read(batch), open_llm(spec, cache=cache), path)
    click.echo("\n".join(map(str, files)) or "every input has its answer already; nothing written")


@llm.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--batch", is_flag=True, help="The file holds results of a batch, not exported answers."
)
@CACHE
def import_(path: str, batch: bool, cache: str | None) -> None:
    """Read answers, or with --batch the results of a batch file, into the cache. Every answer is checked."""
    from reprolib.llm import import_answers, import_batch

    read_file = import_batch if batch else import_answers
    report = read_file(path, cache=cache)
    click.echo(
        f"{report.kept} answers kept, {report.failed} failed their checks, {report.unusable} lines unusable"
    )
    for problem in report.problems:
        click.echo(f"  {problem}", err=True)
    if report.unusable or report.failed:
        raise click.exceptions.Exit(1)


@llm.command()
@click.option("--tasks", is_flag=True, help="List the tasks instead.")
@CACHE
@PRICE
def show(tasks: bool, cache: str | None, price: tuple[float, float]) -> None:
    """The ledger per task and model, and the inputs that still have no usable answer."""
    from reprolib.llm import Store, all_tasks

    if tasks:
        for name, task in all_tasks().items():
            click.echo(f"{name:31} v{task.version}  {task.about}")
        return
    with Store(cache) as store:
        for row in store.ledger():
            paid = (row["prompt_tokens"] * price[0] + row["completion_tokens"] * price[1]) / 1e6
            tokens = f"{row['prompt_tokens']:>10} + {row['completion_tokens']:<9}"
            click.echo(f"{row['task']:31} {row['backend']}:{row['model']:24} {row['outcome']:9} {row['n']:>8} "
                       f"{tokens} tokens {row['seconds']:9.1f} s {paid:9.4f}")  # fmt: skip
        for failure in store.failures()[:20]:
            click.echo(
                f"no answer: {failure['task']} {failure['input'][:120]}: {failure['reason']}",
                err=True,
            )


def _read(path: str) -> list[dict]:
    rows = []
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise ValueError(
                        f"{Path(path).name}, line {number}: is not JSON ({error})"
                    ) from None
    return rows
