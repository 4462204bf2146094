"""The four rerankers on the same lists: how each is made from training events, and what its record says."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from reprolib.data.split import Split
from reprolib.papers.persona4rec.offline import Offline
from reprolib.rerankers.first_stage import Lists, first_stage, kept, lists
from reprolib.rerankers.histories import Material

TIMED = 10  # lists that are scored one by one for the latency


@dataclass
class Reranker:
    """score  users (n,), candidates (n, k) -> (n, k), higher is better; report: for the run's record"""

    score: Callable[[np.ndarray, np.ndarray], np.ndarray]
    parameters: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)
    report: dict = field(default_factory=dict)


def reranked_by(
    make: Callable[..., Reranker],
    split: Split,
    seed: int,
    progress: bool,
    generator: str,
    generator_epochs: int,
    k: int,
    **options,
):
    """The `Trained` of a generator whose lists of k a reranker permutes; seconds are the reranker's own.

    make  one of the functions below; what it needs of the test lists are their users and items, nothing else
    """
    from reprolib.training.trained import Trained

    first = first_stage(generator, split, seed, generator_epochs)
    found = lists(split, "test", first, k)
    if not len(found.rows):
        raise ValueError(
            f"no list of {generator} on {split.name} holds a held-out item: there is nothing to rerank; "
            "train the generator longer, or use more candidates"
        )
    made = make(split, found, seed, progress, **options)
    return Trained(
        first.vectors,
        made.parameters,
        made.seconds,
        made.history,
        report=made.report,
        reranked=lambda: (found.candidates, found.rerank(made.score)),
    )


def material(split: Split) -> Material:
    """Training events with reviews, and items by code, of a data set that `load_corpus` knows by the split's name."""
    from reprolib.data.datasets import load_corpus
    from reprolib.llm.inputs import items_of
    from reprolib.papers.persona4rec.offline import training_events

    corpus = load_corpus(split.name)[0]
    known = items_of(corpus, None if split.target == "all" else split.target)
    first, last = split.candidates
    return Material(
        training_events(corpus, split),
        {code: known[str(split.items[code - 1])] for code in range(first, last + 1)},
    )


def latency_ms(score: Callable, found: Lists) -> float:
    """Median milliseconds of one request (one user, one list) over a few lists; NaN where there is none."""
    taken = []
    for row in found.rows[: TIMED + 1]:
        started = time.perf_counter()
        score(found.users[row : row + 1], found.candidates[row : row + 1])
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken[1:])) if len(taken) > 1 else float("nan")


def make_zs_llm(
    split: Split, found: Lists, seed: int, progress: bool, *, annotator: str, shuffle: bool
) -> Reranker:
    """Listwise, by the annotator. Its latency is that of calls, which the cache answers, so none is given."""
    from reprolib.llm import open_llm
    from reprolib.rerankers.zs_llm import listwise

    read, llm = material(split), open_llm(annotator)
    report = {"annotator": llm.label}

    def score(users: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        scores, failed = listwise(
            read, users, candidates, llm, shuffle=seed if shuffle else None, progress=progress
        )
        report.update(llm_calls=len(users), llm_failed=failed)
        return scores

    return Reranker(score, report=report)


def make_tallrec(split: Split, found: Lists, seed: int, progress: bool, **training) -> Reranker:
    """Pointwise, by a causal LM tuned on liked and disliked training items."""
    from reprolib.rerankers.tallrec import fit_tallrec, pointwise

    def fit():
        started, read = time.perf_counter(), material(split)
        return (
            read,
            *fit_tallrec(read, split, seed=seed, progress=progress, **training),
            time.perf_counter() - started,
        )

    read, model, losses, seconds = kept(("TALLRec", split.digest, seed, repr(training)), fit)
    return _of_lm(
        model,
        losses,
        seconds,
        lambda users, items: pointwise(model, read, users, items, progress),
        found,
        {"annotator": model.label},
    )


def make_exp3rt(
    split: Split, found: Lists, seed: int, progress: bool, *, annotator: str, **training
) -> Reranker:
    """By the expected rating of a causal LM tuned on the annotator's reasoning."""
    from reprolib.llm import open_llm
    from reprolib.rerankers.exp3rt import expected_ratings, extract, fit_exp3rt

    llm = open_llm(annotator)

    def fit():
        started, read = time.perf_counter(), material(split)
        known = extract(read, read.events["user"], read.events["item"], llm, progress=progress)
        tuned = fit_exp3rt(known, llm, seed=seed, progress=progress, **training)
        return known, *tuned, time.perf_counter() - started, {}

    known, model, losses, seconds, rated = kept(
        ("EXP3RT", split.digest, llm.label, seed, repr(training)), fit
    )

    def score(users: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return expected_ratings(model, known, users, candidates, progress)

    def once(users: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """The lists of two generators overlap; the student reasons about a pair once."""
        pairs = list(
            zip(
                users.repeat(candidates.shape[1]).tolist(), candidates.ravel().tolist(), strict=True
            )
        )
        new = np.array(sorted(set(pairs) - rated.keys()), np.int64).reshape(-1, 2)
        rated.update(
            zip(map(tuple, new.tolist()), score(new[:, 0], new[:, 1:])[:, 0].tolist(), strict=True)
        )
        return np.array([rated[pair] for pair in pairs], np.float32).reshape(candidates.shape)

    report = {"annotator": f"{llm.label}, {model.label}", "llm_calls": known.calls}
    return replace(_of_lm(model, losses, seconds, score, found, report), score=once)


def _of_lm(
    model, losses: list[float], seconds: float, score: Callable, found: Lists, report: dict
) -> Reranker:
    report |= {"memory_gb": model.memory_gb, "latency_ms": latency_ms(score, found)}
    history = [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses, start=1)]
    return Reranker(
        score, sum(p.numel() for p in model.model.parameters()), seconds, history, report
    )


def make_persona4rec(
    split: Split,
    found: Lists,
    seed: int,
    progress: bool,
    *,
    annotator: str,
    tuned: bool,
    reads: str,
    personas: int,
    pairs: int,
    per_user: int,
    gamma: float,
    history: int,
    encoder: str,
    train_history: int,
    **training,
) -> Reranker:
    """By the best persona (Eq. 10) of an index that holds what the lists need."""
    from reprolib.papers.persona4rec.encoder import fit_encoder, vanilla
    from reprolib.papers.persona4rec.index.index import PersonaIndex
    from reprolib.papers.persona4rec.offline import build

    started = time.perf_counter()
    offline = kept(
        ("offline", split.digest, annotator),
        lambda: build(split.name, split, annotator=annotator, progress=progress),
    )
    report = {"annotator": offline.annotator, "llm_calls": offline.calls}
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
            **training,
        )
    index = PersonaIndex.build(
        needed(offline, found, reads, personas),
        model.encode,
        gamma=gamma,
        history=history,
        progress=progress,
    )
    seconds = time.perf_counter() - started

    def score(users: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return index.score_many(
            np.stack([index.user_vector(int(user)) for user in users]), candidates
        )[0]

    request = latency_ms(lambda users, items: index.rerank(int(users[0]), items[0]), found)
    report |= {"latency_ms": request, "memory_gb": index.sizes()["bytes"] / 1e9}
    steps = [{"epoch": step, "loss": loss} for step, loss in enumerate(model.losses, start=1)]
    return Reranker(score, model.parameters, seconds, steps, report)


def some_pairs(
    offline: Offline, most: int, per_user: int, annotator: str, seed: int, progress: bool
) -> pd.DataFrame:
    """At most `most` aligned pairs (0: all) of users drawn at random, `per_user` of each; only these are asked for."""
    from reprolib.papers.persona4rec.align import align, training_cases

    users = None
    if most:
        cases = training_cases(offline, per_user).groupby("user").size()
        drawn = np.random.default_rng(seed).permutation(cases.index)
        users = drawn[: int((cases[drawn].cumsum() < most).sum()) + 1]
    return align(offline, per_user=per_user, users=users, annotator=annotator, progress=progress)[
        : most or None
    ]


def needed(offline: Offline, found: Lists, reads: str = "personas", most: int = 0) -> Offline:
    """What the lists read of an offline stage: events of their users, personas and summaries of their items.

    reads  "personas", or "summaries" (Table 6: the items' personas are left out, their summaries stand in)
    most   the first so many personas of each item, which are those with most reviews behind them (Table 10); 0: all
    """
    if reads not in ("personas", "summaries"):
        raise ValueError(f'reads is {reads!r}; right would be "personas" or "summaries"')
    events, personas, summaries = offline.interactions, offline.personas, offline.summaries
    items = np.unique(found.candidates[found.rows])
    personas = personas[personas["item"].isin(items) & (reads == "personas")]
    if most:
        personas = personas[personas["persona"] <= most]
    return replace(
        offline,
        interactions=events[events["user"].isin(found.users[found.rows])],
        personas=personas,
        summaries=summaries[summaries["item"].isin(items)],
    )
