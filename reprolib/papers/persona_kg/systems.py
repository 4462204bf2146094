"""Persona-KG's systems: session models with and without text and personas, and their candidates reordered by SASRec."""

from dataclasses import replace

import numpy as np
import torch

from reprolib.baselines.sasrec import sasrec
from reprolib.data.dataset import Dataset
from reprolib.papers.persona_kg.graph import hide_users
from reprolib.papers.persona_kg.items import item_vectors
from reprolib.papers.persona_kg.model import PersonaSession
from reprolib.papers.persona_kg.personas import PersonaOptions, not_updated, personas_of
from reprolib.rerankers.first_stage import kept, lists
from reprolib.training.built_system import BuiltSystem
from reprolib.training.fitted import Fitted
from reprolib.training.recipe import Recipe
from reprolib.training.sequence_system import train_model

GENERATORS = {  # what tells the four candidate generators apart
    "SASRec": {"text": False, "persona": "none"},
    "SASRec + LLM items": {"persona": "none"},
    "SASRec + session user": {"persona": "history"},
    "Persona-KG": {"persona": "hdgi"},
}


def seen_by_training(dataset: Dataset, hide: float) -> Dataset:
    """The data set without its hidden users; the same object for the same share, so that personas are kept."""
    if not hide:
        return dataset
    key = ("persona_kg hidden", dataset.name, dataset.split.digest, hide)
    return kept(key, lambda: replace(dataset, split=hide_users(dataset.split, hide)[0]))


def train_session(
    model: PersonaSession, dataset: Dataset, seed: int, progress: bool, **options: object
) -> Fitted:
    """Train on all users but the hidden ones; all are ranked."""
    return train_model(model, seen_by_training(dataset, model.hide), seed, progress, **options)


def persona_session_model(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    text: bool = True,
    persona: str = "hdgi",
    persona_dim: int = 64,
    paths: str = PersonaOptions.paths,
    start: str = "text",
    rewired: bool = False,
    semantic: int = 8,
    graph_epochs: int = 1000,
    graph_patience: int = 50,
    graph_lr: float = 1e-3,
    annotator: str = "embedded",
    encoder: str = "minilm",
    hide: float = 0.0,
    update: bool = True,
) -> PersonaSession:
    """The session model of stage 2 with personas of stage 1.

    text     items with text vectors, or by id alone
    persona  "none", "history" (the session's own texts), "hdgi", "dgi" (one merged graph), "mean" (the same paths,
             nothing learned), "random", "shuffled" (another user's), "oracle" (the world's truth)
    persona_dim, paths, start, rewired, semantic  of the graph, see `PersonaOptions`
    graph_epochs, graph_patience, graph_lr        of HDGI
    hide     share of users that are unknown: in no graph, no training and no validation
    update   fold held-out events that are already past into the persona; False: it stays as training left it
    HDGI's seed is the run's: the one that torch was seeded with last.
    """
    dataset = seen_by_training(dataset, hide)
    options = PersonaOptions(
        source=persona,
        paths=paths,
        start=start,
        rewired=rewired,
        dim=persona_dim,
        semantic=semantic,
        epochs=graph_epochs,
        patience=graph_patience,
        lr=graph_lr,
        annotator=annotator,
        encoder=encoder,
    )
    personas = personas_of(dataset, options, torch.initial_seed() % 2**31)
    after = personas.after
    if after is not None and not update:
        after = not_updated(after, dataset.split)
    vectors = item_vectors(dataset, annotator, encoder, dim) if text else None
    model = PersonaSession(
        dataset.split,
        text=vectors,
        after=after,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
    )
    model.hide = hide
    if text or persona not in ("none", "random", "oracle"):
        model.notes = {"annotator": annotator, "encoder": encoder}
    model.notes = model.notes | personas.report
    return model


persona_session = BuiltSystem(persona_session_model, train_session, Recipe)


def with_rerank(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    first_stage: str = "Persona-KG",
    candidates: int = 100,
    dim: int = 64,
    length: int = 50,
    dropout: float = 0.2,
    loss: str = "softmax",
    epochs: int = 200,
    patience: int = 20,
    every: int = 1,
    minimum_steps: int = 0,
    lr: float = 1e-3,
    batch_size: int = 256,
    persona_dim: int = 64,
    graph_epochs: int = 1000,
    graph_lr: float = 1e-3,
    annotator: str = "embedded",
) -> Fitted:
    """The first stage's `candidates` best items reordered by the base SASRec (stage 2, step 6 of the sheet).

    first_stage  one of GENERATORS
    Both are trained with the same options and seed; they are kept, so that rerankers of one first stage share it.
    HR@candidates is the first stage's. Raises ValueError on an unknown one.
    """
    if first_stage not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise ValueError(f"first_stage {first_stage!r} is unknown; use one of {known}")
    training = {
        "dim": dim,
        "length": length,
        "dropout": dropout,
        "loss": loss,
        "epochs": epochs,
        "patience": patience,
        "every": every,
        "minimum_steps": minimum_steps,
        "lr": lr,
        "batch_size": batch_size,
    }
    graph = {
        "persona_dim": persona_dim,
        "graph_epochs": graph_epochs,
        "graph_lr": graph_lr,
        "annotator": annotator,
    }
    split = dataset.split
    shared = (dataset.name, split.digest, seed, *training.items())
    base = kept(("base SASRec", *shared), lambda: sasrec(dataset, seed, False, **training))
    options = training | graph | GENERATORS[first_stage]
    first = kept(
        (first_stage, *shared, *graph.items()),
        lambda: persona_session(dataset, seed, False, **options),
    )
    first_lists = lists(split, "test", first, candidates)
    queries, items = base.vectors("test")

    def reordered() -> tuple[np.ndarray, np.ndarray]:
        chosen = items[torch.from_numpy(first_lists.candidates)]  # (events, M, d)
        scores = (chosen @ queries[:, :, None])[..., 0]
        return first_lists.candidates, scores.numpy()

    return replace(
        first,
        parameters=first.parameters + base.parameters,
        seconds=first.seconds + base.seconds,
        reranked=reordered,
    )
