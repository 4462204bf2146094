"""The result of fitting a system: how it ranks, and what is known of its training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reprolib.training.stopping import Training

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass
class Fitted:
    """A fitted system. It ranks in one of three ways: by dot product, by any scoring function, by reordering lists.

    vectors     stage ("valid" or "test") -> queries (events, d) in the order of `split.held_out(stage)` and items
                (n_items + 1, d), both on the CPU; score = dot product. None of a system that has `scores` only
    parameters  number of trained weights
    seconds, history, steps, looks, best_look, ended   of the training, as in `Training`
    report      what the run's record shall say besides: annotator, llm_calls, latency_ms, memory_gb, learned weights
    reranked    of a reranker: candidates (events, k) in first-stage order and their scores (events, k), for stage
                "test"; `vectors` or `scores` are then the first stage's
    scores      stage -> function (a, b) -> (b - a, n_items + 1) scores of the held-out events a..b; used instead of
                `vectors` where it is given
    """

    vectors: "Callable[[str], tuple[Tensor, Tensor]] | None"
    parameters: int
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)
    steps: int = 0
    looks: int = 0
    best_look: int = 0
    ended: str = ""
    report: dict = field(default_factory=dict)
    reranked: "Callable[[], tuple[np.ndarray, np.ndarray]] | None" = None
    scores: "Callable[[str], Callable[[int, int], Tensor]] | None" = None


def fitted_after(
    training: Training,
    *,
    parameters: int,
    vectors: "Callable[[str], tuple[Tensor, Tensor]] | None" = None,
    scores: "Callable[[str], Callable[[int, int], Tensor]] | None" = None,
    report: dict | None = None,
) -> Fitted:
    """The fitted system that a training has left; arguments as the fields of `Fitted`."""
    return Fitted(
        vectors,
        parameters,
        seconds=training.seconds,
        history=training.history,
        steps=training.steps,
        looks=training.looks,
        best_look=training.best_look,
        ended=training.ended,
        report=report or {},
        scores=scores,
    )
