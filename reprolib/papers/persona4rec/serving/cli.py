"""`reprolib persona4rec`: build an index, ask it once, serve it."""

from pathlib import Path

import click

FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


class Sentences(click.Group):
    """A group that shows our errors as one sentence instead of a traceback."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except ValueError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=Sentences)
def persona4rec():
    """Build, query and serve an index of item personas."""


@persona4rec.command()
@click.argument("dataset")
@FOLDER
@click.option("--domain", help="Which domain of the data set; needed where it has several.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False),
    help="Folder of real data sets; default $REPROLIB_DATA.",
)
@click.option(
    "--llm",
    "annotator",
    default="embedded",
    show_default=True,
    help="Who writes the personas: embedded, openai:MODEL@BASE_URL, hf:MODEL or replay:FILE.jsonl.",
)
@click.option(
    "--encoder",
    default="minilm",
    show_default=True,
    help="minilm, a folder, or a Hugging Face name.",
)
@click.option(
    "--adapter",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of a fine-tuned adapter.",
)
@click.option(
    "--gamma",
    default=0.65,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Weight of an interaction relative to the next later one.",
)
@click.option("--half", is_flag=True, help="Keep float16: half the memory.")
@click.option("--graph", is_flag=True, help="Add the graph for approximate search (needs usearch).")
def build(dataset, folder, domain, data_dir, annotator, encoder, adapter, gamma, half, graph):
    """Write the index of a DATASET (`world-quick/books2023`, or a name of `reprolib data list`) into FOLDER.

    Only training events are read. Run again to go on after an interruption.
    """
    from reprolib.data.datasets import load_dataset
    from reprolib.papers.persona4rec import offline
    from reprolib.papers.persona4rec.index.index import PersonaIndex
    from reprolib.text import encode, load_encoder

    source = load_dataset(dataset, domain or "all", data_dir=data_dir)
    split = source.split
    texts = offline.build(source, annotator=annotator)
    model = load_encoder(encoder, adapter=adapter)
    about = {"dataset": dataset, "digest": split.digest, "encoder": model.name}
    index = PersonaIndex.build(
        texts, lambda block: encode(block, model), split=split, gamma=gamma, half=half, about=about
    )
    if graph:
        index.build_graph()
    index.save(folder)
    click.echo(
        f"{folder}: " + ", ".join(f"{value:,} {name}" for name, value in index.sizes().items())
    )


@persona4rec.command()
@FOLDER
@click.option("--user", required=True, help="Id of a user of the data set.")
@click.option(
    "--candidates", help="Item ids with commas: put these into order; default: the whole catalogue."
)
@click.option(
    "-k", default=10, show_default=True, type=click.IntRange(1), help="How many items to show."
)
@click.option(
    "--approximate", is_flag=True, help="Ask the graph instead of comparing with every item."
)
def query(folder, user, candidates, k, approximate):
    """Show the best items for a user, with the persona that matched each."""
    from reprolib.papers.persona4rec.index.index import PersonaIndex

    index = PersonaIndex.load(folder)
    items, users = index.ids()
    if user not in users:
        raise ValueError(
            f"user {user!r} is not in this index; it has {len(users):,}, the first is {users[0]!r}"
        )
    if candidates:
        names = candidates.split(",")
        unknown = [name for name in names if name not in items]
        if unknown:
            raise ValueError(
                f"item {unknown[0]!r} is not in this index; it has {len(items):,}, such as {items[0]!r}"
            )
        entries = index.rerank(users.index(user), [items.index(name) + 1 for name in names], k)
    else:
        entries = index.answer(
            *index.recommend(index.user_vector(users.index(user)), k, exact=not approximate)
        )
    for place, entry in enumerate(entries, 1):
        score = "  –  " if entry["score"] is None else f"{entry['score']:.3f}"
        why = entry["rationale"] or entry["description"]
        click.echo(plain(f"{place:3} {score}  {entry['item']}  {entry['title']}"))
        click.echo(plain(f"           {entry['name'] or 'by its summary'}: {why}"))


@persona4rec.command()
@FOLDER
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 answers other machines too."
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
def serve(folder, host, port):
    """Answer HTTP requests: POST /rerank, POST /recommend, GET /health, GET /docs."""
    from reprolib.papers.persona4rec.index.index import PersonaIndex

    try:
        from reprolib.papers.persona4rec.serving.service import serve as run
    except ImportError as error:
        raise ValueError(
            f"{error.name} is absent; install it with pip install -e '.[serve]'"
        ) from None
    index = PersonaIndex.load(folder)
    click.echo(
        f"http://{host}:{port} answers from {index.sizes()['rows']:,} personas; stop with Ctrl-C"
    )
    run(index, host, port)


def plain(text: str) -> str:
    """The text without control characters: what a review says must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
