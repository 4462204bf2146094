"""What any system leaves after training, whoever trained it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass
class Trained:
    """What a system leaves: `vectors(stage)` gives queries (events, d) and items (n_items + 1, d); score = product.

    report  what the run's record shall say besides: annotator, llm_calls, latency_ms, memory_gb, learned weights
    reranked  of a reranker: candidates (events, k) in first-stage order and their scores (events, k), for stage "test";
              `vectors` are then the first stage's
    """

    vectors: "Callable[[str], tuple[Tensor, Tensor]]"
    parameters: int
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)
    interrupted: bool = False
    report: dict = field(default_factory=dict)
    reranked: "Callable[[], tuple[np.ndarray, np.ndarray]] | None" = None
