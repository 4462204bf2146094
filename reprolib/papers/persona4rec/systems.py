"""PERSONA4REC as a system of the grid: the best persona of each candidate reorders a generator's list."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.papers.persona4rec.align import align, training_cases
from reprolib.papers.persona4rec.encoder import fit_encoder, vanilla
from reprolib.papers.persona4rec.index.index import PersonaIndex
from reprolib.papers.persona4rec.offline import Offline, build
from reprolib.rerankers.first_stage import Lists, kept
from reprolib.rerankers.reranker import Reranker, latency_ms, rerank_lists
from reprolib.training.fitted import Fitted


def persona4rec(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    annotator: str = "embedded",
    encoder: str = "minilm",
    tuned: bool = True,
    reads: str = "personas",
    personas: int = 0,
    gamma: float = 0.65,
    history: int = 10,
    pairs: int = 0,
    per_user: int = 5,
    train_history: int = 10,
    tau: float = 0.05,
    tune_lr: float = 1e-5,
    tune_epochs: int = 1,
    tune_batch: int = 72,
) -> Fitted:
    """By the best persona (Eq. 10) of an index that holds what the lists need.

    annotator, encoder   names for `open_llm` and `load_encoder`
    tuned                with LoRA on aligned pairs (at most `pairs` of them, 0: all; `per_user` of each user)
    reads                "personas", or "summaries": no reviews (Table 6)
    personas             the first so many of each item (Table 10), 0: all
    gamma, history       decay of older events and number of events in a user's vector (Eq. 6, 7)
    train_history, tau, tune_lr, tune_epochs, tune_batch   of the contrastive tuning (Eq. 9)
    """

    def make(test_lists: Lists) -> Reranker:
        started = time.perf_counter()
        offline = kept(
            ("offline", dataset.split.digest, annotator),
            lambda: build(dataset, annotator=annotator, progress=progress),
        )
        report = {"annotator": offline.annotator, "encoder": encoder, "llm_calls": offline.calls}
        model = vanilla(encoder)
        if tuned:
            chosen = some_pairs(offline, pairs, per_user, annotator, seed, progress)
            report |= {"llm_calls": offline.calls + len(chosen), "pairs": len(chosen)}
            model = fit_encoder(
                offline,
                chosen,
                encoder=encoder,
                gamma=gamma,
                history=train_history,
                seed=seed,
                tau=tau,
                lr=tune_lr,
                epochs=tune_epochs,
                batch_size=tune_batch,
            )
        index = PersonaIndex.build(
            needed(offline, test_lists, reads, personas),
            model.encode,
            gamma=gamma,
            history=history,
            progress=progress,
        )
        seconds = time.perf_counter() - started

        def score(users: np.ndarray, lists: np.ndarray) -> np.ndarray:
            vectors = np.stack([index.user_vector(int(user)) for user in users])
            return index.score_many(vectors, lists)[0]

        def request(users: np.ndarray, lists: np.ndarray) -> None:
            index.rerank(int(users[0]), lists[0])

        report |= {
            "latency_ms": latency_ms(request, test_lists),
            "memory_gb": index.sizes()["bytes"] / 1e9,
        }
        steps = [{"epoch": step, "loss": loss} for step, loss in enumerate(model.losses, start=1)]
        return Reranker(score, model.parameters, seconds, steps, report)

    return rerank_lists(make, dataset, seed, generator, generator_epochs, candidates)


def some_pairs(
    offline: Offline, most: int, per_user: int, annotator: str, seed: int, progress: bool
) -> pd.DataFrame:
    """At most `most` aligned pairs (0: all) of users drawn at random, `per_user` of each; only these are asked for."""
    users = None
    if most:
        cases = training_cases(offline, per_user).groupby("user").size()
        drawn = np.random.default_rng(seed).permutation(cases.index)
        users = drawn[: int((cases[drawn].cumsum() < most).sum()) + 1]
    aligned = align(offline, per_user=per_user, users=users, annotator=annotator, progress=progress)
    return aligned[: most or None]


def needed(offline: Offline, test_lists: Lists, reads: str = "personas", most: int = 0) -> Offline:
    """What the lists read of an offline stage: events of their users, personas and summaries of their items.

    reads  "personas", or "summaries" (Table 6: the items' personas are left out, their summaries stand in)
    most   the first so many personas of each item, which are those with most reviews behind them (Table 10); 0: all
    """
    if reads not in ("personas", "summaries"):
        raise ValueError(f'reads is {reads!r}; right would be "personas" or "summaries"')
    events, personas, summaries = offline.interactions, offline.personas, offline.summaries
    items = np.unique(test_lists.candidates[test_lists.rows])
    readers = test_lists.users[test_lists.rows]
    personas = personas[personas["item"].isin(items) & (reads == "personas")]
    if most:
        personas = personas[personas["persona"] <= most]
    return replace(
        offline,
        interactions=events[events["user"].isin(readers)],
        personas=personas,
        summaries=summaries[summaries["item"].isin(items)],
    )
