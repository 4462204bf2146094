"""ZS-LLM: a language model orders the whole candidate list, without training (RankGPT, Sun et al. 2023)."""

import numpy as np

from reprolib.llm import complete_many, task_named
from reprolib.rerankers.histories import Material

HISTORY = 20  # latest events that the prompt shows


def listwise(
    material: Material,
    users: np.ndarray,
    candidates: np.ndarray,
    llm,
    *,
    shuffle: int | None = None,
    cache=None,
    progress: bool = True,
) -> tuple[np.ndarray, int]:
    """(n, k) scores, higher is better, of candidates (n, k) in first-stage order; and how many answers were unusable.

    shuffle  a seed: the model sees the candidates in random order, which shows how much it leans on the first stage's
    An unusable answer leaves its list in first-stage order. One call per list.
    """
    rng = None if shuffle is None else np.random.default_rng(shuffle)
    shown = np.tile(np.arange(candidates.shape[1]), (len(candidates), 1))
    shown = shown if rng is None else rng.permuted(shown, axis=1)
    given = [
        {"history": history, "candidates": [material.items[int(i)] for i in row[order]]}
        for history, row, order in zip(
            material.histories(users, HISTORY), candidates, shown, strict=True
        )
    ]
    answers = complete_many(
        task_named("rerank/listwise"),
        given,
        llm,
        cache=cache,
        on_failure="return",
        progress=progress,
    )
    scores = np.tile(-np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))
    for row, answer in enumerate(answers):
        if answer:
            scores[row, shown[row][np.asarray(answer.order) - 1]] = -np.arange(candidates.shape[1])
    return scores, sum(not answer for answer in answers)
