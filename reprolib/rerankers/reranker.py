"""What every reranker shares: it permutes the lists of one generator, and nothing else."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reprolib.data.dataset import Dataset
from reprolib.rerankers.first_stage import Lists, first_stage, lists
from reprolib.training.fitted import Fitted
from reprolib.training.stopping import Training

TIMED = 10  # lists that are scored one by one for the latency

# (users (n,), candidates (n, k)) -> (n, k) scores, higher is better
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Reranker:
    """What a reranker is once it has been made from training events.

    score       scores of candidate lists
    parameters  weights of its own model
    seconds     what making it took
    training    how its training went; only a history of rows {"epoch", "loss"} where nothing was validated
    report      what the run's record shall say besides
    """

    score: Score
    parameters: int = 0
    seconds: float = 0.0
    training: Training = field(default_factory=Training)
    report: dict = field(default_factory=dict)


def rerank_lists(
    make: Callable[[Lists], Reranker],
    dataset: Dataset,
    seed: int,
    generator: str,
    generator_epochs: int,
    candidates: int,
) -> Fitted:
    """A generator whose lists a reranker permutes; seconds are the reranker's own.

    make        the reranker from the lists; of the test lists it may read users and items, nothing else
    generator   name of the first stage; generator_epochs: its limit
    candidates  length of a list
    Raises ValueError where no list holds a held-out item.
    """
    first = first_stage(generator, dataset, seed, generator_epochs)
    test_lists = lists(dataset.split, "test", first, candidates)
    if not len(test_lists.rows):
        raise ValueError(
            f"no list of {generator} on {dataset.name} holds a held-out item: there is nothing to rerank; "
            "train the generator longer, or use more candidates"
        )
    reranker = make(test_lists)
    return Fitted(
        first.vectors,
        reranker.parameters,
        reranker.seconds,
        reranker.training.history,
        steps=reranker.training.steps,
        looks=reranker.training.looks,
        best_look=reranker.training.best_look,
        ended=reranker.training.ended,
        report=reranker.report,
        reranked=lambda: (test_lists.candidates, test_lists.rerank(reranker.score)),
    )


def latency_ms(score: Score, test_lists: Lists) -> float:
    """Median milliseconds of one request (one user, one list) over a few lists; NaN where there is none."""
    milliseconds = []
    for row in test_lists.rows[: TIMED + 1]:
        started = time.perf_counter()
        score(test_lists.users[row : row + 1], test_lists.candidates[row : row + 1])
        milliseconds.append(1000 * (time.perf_counter() - started))
    if len(milliseconds) < 2:
        return float("nan")
    return float(np.median(milliseconds[1:]))


def of_language_model(
    model,
    losses: list[float],
    seconds: float,
    score: Score,
    test_lists: Lists,
    report: dict,
) -> Reranker:
    """The reranker of a tuned causal LM, with its latency and memory."""
    report |= {"memory_gb": model.memory_gb, "latency_ms": latency_ms(score, test_lists)}
    history = [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(losses, start=1)]
    parameters = sum(p.numel() for p in model.model.parameters())
    return Reranker(score, parameters, seconds, Training(history=history), report)
