"""PERSONA4REC as a system of the grid: the best persona of each candidate reorders a generator's list."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.llm.controls import oracle_share
from reprolib.papers.persona4rec.align import align, training_cases
from reprolib.papers.persona4rec.encoder import PersonaEncoder, fit_encoder, vanilla
from reprolib.papers.persona4rec.head import HeadEncoder, best_head
from reprolib.papers.persona4rec.list_scores import (
    added_scores,
    best_weight,
    index_of,
    list_quality,
    scorer,
)
from reprolib.papers.persona4rec.offline import Offline, build
from reprolib.papers.persona4rec.oracle import true_offline, true_pairs
from reprolib.rerankers.first_stage import Lists, first_stage, kept, lists
from reprolib.rerankers.reranker import Reranker, latency_ms, rerank_lists
from reprolib.training.fitted import Fitted
from reprolib.training.stopping import LIMIT, Training


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
    tuning: str = "head",
    reads: str = "personas",
    personas: int = 0,
    added: bool = False,
    gammas: tuple[float, ...] = (0.65,),
    taus: tuple[float, ...] = (0.05,),
    history: int = 10,
    pairs: int = 0,
    per_user: int = 5,
    train_history: int = 10,
    tune_lr: float = 1e-3,
    tune_epochs: int = 200,
    tune_batch: int = 72,
) -> Fitted:
    """By the best persona (Eq. 10) of an index that holds what the lists need.

    annotator, encoder   names for `open_llm` and `load_encoder`; "oracle", "oracle:SHARE" and "shuffled" are controls
    tuning               "none"; "head": a linear head on the frozen encoder, trained until the generator's validation
                         lists are ranked no better; "lora": the paper's adapter, for `tune_epochs` epochs
    reads                "personas", or "summaries": no reviews (Table 6)
    personas             the first so many of each item (Table 10), 0: all
    added                to the generator's score, both as z-scores within a list, with the weight that is best on
                         validation lists; else the personas alone decide
    gammas, history      decay of older events and number of events in a user's vector (Eq. 6, 7)
    pairs, per_user      aligned pairs to tune on, at most (0: all), and of one user
    train_history, taus, tune_lr, tune_epochs, tune_batch   of the contrastive tuning (Eq. 9)
    Of several `gammas` and `taus` a head chooses by validation; without a head the first counts.
    """

    def make(test_lists: Lists) -> Reranker:
        started = time.perf_counter()
        offline = kept(
            ("offline", dataset.split.digest, annotator),
            lambda: offline_stage(dataset, annotator, progress),
        )
        first = first_stage(generator, dataset, seed, generator_epochs)
        valid_lists = lists(dataset.split, "valid", first, candidates)
        report = {"annotator": offline.annotator, "encoder": encoder, "llm_calls": offline.calls}
        validation = needed(offline, valid_lists, reads, personas)
        tuned = Tuned(vanilla(encoder), gammas[0])
        if tuning != "none":
            chosen = some_pairs(offline, pairs, per_user, annotator, seed, progress)
            report |= {"llm_calls": offline.calls + len(chosen), "pairs": len(chosen)}
            settings = {"history": train_history, "lr": tune_lr, "epochs": tune_epochs}
            settings |= {"batch_size": tune_batch, "seed": seed}
            tuned = tuned_encoder(
                tuning,
                offline,
                chosen,
                encoder,
                gammas,
                taus,
                settings,
                lambda head: list_quality(
                    validation, head.encode, head.gamma, history, valid_lists
                ),
            )
            report |= {"gamma": tuned.gamma, "tau": tuned.tau}
        about = needed(offline, test_lists, reads, personas)
        index = index_of(about, tuned.model.encode, tuned.gamma, history)
        score = scorer(index)
        if added:
            on_validation = index_of(validation, tuned.model.encode, tuned.gamma, history)
            report["weight"] = best_weight(scorer(on_validation), valid_lists)
            score = added_scores(score, test_lists, report["weight"])
        seconds = time.perf_counter() - started

        def request(users: np.ndarray, lists: np.ndarray) -> None:
            index.rerank(int(users[0]), lists[0])

        report |= {
            "latency_ms": latency_ms(request, test_lists),
            "memory_gb": index.sizes()["bytes"] / 1e9,
        }
        return Reranker(score, tuned.model.parameters, seconds, tuned.training, report)

    return rerank_lists(make, dataset, seed, generator, generator_epochs, candidates)


@dataclass(frozen=True)
class Tuned:
    """An encoder with the decay and the temperature that go with it, and how its training went."""

    model: PersonaEncoder | HeadEncoder
    gamma: float
    tau: float = float("nan")
    training: Training = field(default_factory=Training)


def tuned_encoder(
    tuning: str,
    offline: Offline,
    chosen: pd.DataFrame,
    encoder: str,
    gammas: tuple[float, ...],
    taus: tuple[float, ...],
    settings: dict[str, object],
    validate: Callable[[HeadEncoder], float],
) -> Tuned:
    """The encoder tuned on aligned pairs, as `persona4rec` says.

    settings  history, lr, epochs, batch_size, seed: the same names in both ways of tuning
    Raises ValueError on an unknown way.
    """
    if tuning == "lora":
        model = fit_encoder(
            offline, chosen, encoder=encoder, gamma=gammas[0], tau=taus[0], **settings
        )
        steps = Training(steps=len(model.losses), ended=LIMIT)
        return Tuned(model, gammas[0], taus[0], steps)
    if tuning == "head":
        base = vanilla(encoder)
        head, tau = best_head(
            offline, chosen, base, validate, gammas=gammas, taus=taus, progress=False, **settings
        )
        return Tuned(head, head.gamma, tau, head.training)
    raise ValueError(f'tuning is {tuning!r}; right would be "none", "head" or "lora"')


def offline_stage(dataset: Dataset, annotator: str, progress: bool) -> Offline:
    """The offline stage by an annotator, or by a control."""
    share = oracle_share(annotator)
    if share is None:
        return build(dataset, annotator=annotator, progress=progress)
    return true_offline(dataset, share)


def some_pairs(
    offline: Offline, most: int, per_user: int, annotator: str, seed: int, progress: bool
) -> pd.DataFrame:
    """At most `most` aligned pairs (0: all) of users drawn at random, `per_user` of each; only these are asked for."""
    if oracle_share(annotator) is not None:
        return true_pairs(offline, per_user)[: most or None]
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
