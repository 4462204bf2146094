"""TALLRec: a causal LM tuned to answer whether a user likes one item (Bao et al., RecSys 2023)."""

import time

import numpy as np

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.llm.items import Event, Item
from reprolib.rerankers.causal_lm import (
    SMALL,
    SMALL_RATE,
    CausalLM,
    choice_scores,
    open_lm,
    train_lm,
)
from reprolib.rerankers.first_stage import Lists, kept
from reprolib.rerankers.histories import Material, material_of, name
from reprolib.rerankers.reranker import Reranker, of_language_model, rerank_lists
from reprolib.training.batches import Negatives
from reprolib.training.fitted import Fitted

HISTORY = 10  # latest events that a prompt tells
ANSWERS = ("Yes", "No")
LORA_RATE = 1e-4  # learning rate of a named model


def prompt(history: tuple[Event, ...], names: list[str], target: Item) -> str:
    """The instruction; liked and disliked items in order of time (the released code shuffles them)."""
    liked = [text for text, event in zip(names, history, strict=True) if event.liked]
    disliked = [text for text, event in zip(names, history, strict=True) if not event.liked]
    return (
        "Given what a user liked and disliked, say whether the user will like the target. "
        f"Liked: {'; '.join(liked) or 'none'}. Disliked: {'; '.join(disliked) or 'none'}. "
        f"Target: {name(target)}. Answer Yes or No. Answer:"
    )


def samples(material: Material, split: Split, most: int, seed: int) -> tuple[list[str], list[str]]:
    """At most `most` prompts with answers: training events that have an earlier one.

    The answer is the rating's: Yes from 4 on. Where ratings give no No (unrated data), every second target is an item
    that the user has not met, with No.
    """
    rng = np.random.default_rng(seed)
    events = material.events
    later = np.flatnonzero(events.groupby("user", sort=False).cumcount().to_numpy() > 0)
    chosen = rng.permutation(later)[:most]
    users = events["user"].to_numpy()[chosen]
    targets = events["item"].to_numpy()[chosen]
    is_yes = np.array([material.described[row].liked for row in chosen])
    if is_yes.all():
        is_negative = rng.random(len(chosen)) < 0.5
        targets = np.where(is_negative, Negatives(split).draw(users, rng), targets)
        is_yes = ~is_negative
    prompts = [
        _ask(material, material.rows[user], row, int(target))
        for user, row, target in zip(users, chosen, targets, strict=True)
    ]
    yes, no = ANSWERS
    return prompts, [yes if positive else no for positive in is_yes]


def _ask(material: Material, rows: np.ndarray, before: int | None, target: int) -> str:
    if before is not None:
        rows = rows[rows < before]
    rows = rows[-HISTORY:]
    names = [name(material.items[item]) for item in material.events["item"].to_numpy()[rows]]
    return prompt(tuple(material.described[row] for row in rows), names, material.items[target])


def fit_tallrec(
    material: Material,
    split: Split,
    *,
    lm: str = SMALL,
    most: int = 2048,
    epochs: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> tuple[CausalLM, list[float]]:
    """The tuned causal LM and its loss per epoch.

    lm    "small" or a Hugging Face name, see `open_lm`
    most  training events that it is tuned on, at most
    """
    prompts, answers = samples(material, split, most, seed)
    names = [name(item) for item in material.items.values()]
    model = open_lm(lm, [*prompts, *names, *ANSWERS], rank=8, alpha=16, seed=seed)
    lr = SMALL_RATE if lm == SMALL else LORA_RATE
    losses = train_lm(model, prompts, answers, epochs=epochs, lr=lr, seed=seed, progress=progress)
    return model, losses


def pointwise(
    model: CausalLM,
    material: Material,
    users: np.ndarray,
    candidates: np.ndarray,
    progress: bool = True,
) -> np.ndarray:
    """(n, k) scores log p(Yes) - log p(No) of candidates (n, k): one forward pass per candidate."""
    nothing = np.zeros(0, int)
    prompts = [
        _ask(material, material.rows.get(int(user), nothing), None, int(item))
        for user, row in zip(users, candidates, strict=True)
        for item in row
    ]
    scores = choice_scores(model, prompts, ANSWERS, progress=progress)
    return (scores[:, 0] - scores[:, 1]).reshape(candidates.shape)


def tallrec(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    lm: str = SMALL,
    lm_samples: int = 2048,
    lm_epochs: int = 5,
) -> Fitted:
    """A causal LM tuned to say whether a user likes an item.

    lm  "small" (built and trained here) or a Hugging Face name, tuned by LoRA; see `open_lm`
    """
    training = {"lm": lm, "most": lm_samples, "epochs": lm_epochs}

    def fit():
        started, material = time.perf_counter(), material_of(dataset)
        tuned = fit_tallrec(material, dataset.split, seed=seed, progress=progress, **training)
        return material, *tuned, time.perf_counter() - started

    def make(test_lists: Lists) -> Reranker:
        key = ("TALLRec", dataset.split.digest, seed, repr(training))
        material, model, losses, seconds = kept(key, fit)

        def score(users: np.ndarray, lists: np.ndarray) -> np.ndarray:
            return pointwise(model, material, users, lists, progress)

        report = {"annotator": model.label}
        return of_language_model(model, losses, seconds, score, test_lists, report)

    return rerank_lists(make, dataset, seed, generator, generator_epochs, candidates)
