"""ZS-LLM: a language model orders the whole candidate list, without training (RankGPT, Sun et al. 2023)."""

import numpy as np

from reprolib.data.dataset import Dataset
from reprolib.llm import complete_many, open_llm
from reprolib.rerankers.first_stage import Lists
from reprolib.rerankers.histories import Material, material_of
from reprolib.rerankers.reranker import Reranker, rerank_lists
from reprolib.rerankers.tasks import LISTWISE
from reprolib.training.fitted import Fitted

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
        LISTWISE,
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


def zs_llm(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    annotator: str = "embedded",
    shuffle: bool = False,
) -> Fitted:
    """A language model orders each list without training.

    annotator  a name for `open_llm`
    shuffle    the model sees the lists in random order
    No latency is reported: it would be that of calls, which the cache answers.
    """

    def make(test_lists: Lists) -> Reranker:
        material, llm = material_of(dataset), open_llm(annotator)
        report = {"annotator": llm.label}

        def score(users: np.ndarray, lists: np.ndarray) -> np.ndarray:
            order_seed = seed if shuffle else None
            scores, failed = listwise(
                material, users, lists, llm, shuffle=order_seed, progress=progress
            )
            report.update(llm_calls=len(users), llm_failed=failed)
            return scores

        return Reranker(score, report=report)

    return rerank_lists(make, dataset, seed, generator, generator_epochs, candidates)
