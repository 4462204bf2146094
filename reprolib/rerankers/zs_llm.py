"""ZS-LLM: a language model orders the whole candidate list, without training (RankGPT, Sun et al. 2023)."""

from pathlib import Path

import numpy as np

from reprolib.data.dataset import Dataset
from reprolib.llm import complete_many, open_llm
from reprolib.llm.task import BackEnd
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
    llm: BackEnd,
    *,
    shuffle: int | None = None,
    cache: str | Path | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, int]:
    """(n, k) scores, higher is better, of candidates (n, k) in first-stage order; and how many answers were unusable.

    shuffle  a seed: the model sees the candidates in random order, which shows how much it leans on the first stage's
    cache    folder of the answers; by default that of the back end
    An unusable answer leaves its list in first-stage order. One call per list.
    """
    orders = np.tile(np.arange(candidates.shape[1]), (len(candidates), 1))
    if shuffle is not None:
        orders = np.random.default_rng(shuffle).permuted(orders, axis=1)
    histories = material.histories(users, HISTORY)
    questions = []
    for history, row, order in zip(histories, candidates, orders, strict=True):
        items = [material.items[int(code)] for code in row[order]]
        questions.append({"history": history, "candidates": items})
    answers = complete_many(
        LISTWISE, questions, llm, cache=cache, on_failure="return", progress=progress
    )
    scores = np.tile(-np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))
    for row, answer in enumerate(answers):
        if answer:
            scores[row, orders[row][np.asarray(answer.order) - 1]] = -np.arange(candidates.shape[1])
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
        material = material_of(dataset)
        llm = open_llm(annotator)
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
