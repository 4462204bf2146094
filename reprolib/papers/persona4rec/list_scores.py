"""Scores of candidate lists: by the index, and added to the generator's, with the weight that validation chooses."""

from collections.abc import Callable

import numpy as np

from reprolib.evaluate.metrics import value
from reprolib.papers.persona4rec.index.index import PersonaIndex
from reprolib.papers.persona4rec.offline import Offline
from reprolib.rerankers.first_stage import Lists
from reprolib.rerankers.reranker import Score

WEIGHTS = np.linspace(0, 1, 11)  # of the personas; the generator has the rest


def index_of(
    offline: Offline, encode: Callable[[list[str]], np.ndarray], gamma: float, history: int
) -> PersonaIndex:
    """The index of an offline stage, without a progress bar."""
    return PersonaIndex.build(offline, encode, gamma=gamma, history=history, progress=False)


def scorer(index: PersonaIndex) -> Score:
    """(users (n,), candidates (n, k)) -> (n, k): each candidate's best persona for the user (Eq. 10)."""

    def score(users: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        vectors = np.stack([index.user_vector(int(user)) for user in users])
        return index.score_many(vectors, candidates)[0]

    return score


def list_quality(
    offline: Offline,
    encode: Callable[[list[str]], np.ndarray],
    gamma: float,
    history: int,
    valid_lists: Lists,
) -> float:
    """NDCG@10 of validation lists that are ordered by personas, mean over the lists that hold the held-out item."""
    score = scorer(index_of(offline, encode, gamma, history))
    rows = valid_lists.rows
    return _ndcg(score(valid_lists.users[rows], valid_lists.candidates[rows]), valid_lists)


def best_weight(score: Score, valid_lists: Lists) -> float:
    """Weight of the personas among WEIGHTS with the best NDCG@10 on validation lists; of equals the smallest."""
    rows = valid_lists.rows
    ours = within_list(score(valid_lists.users[rows], valid_lists.candidates[rows]))
    theirs = within_list(valid_lists.scores[rows])
    reached = [_ndcg(weight * ours + (1 - weight) * theirs, valid_lists) for weight in WEIGHTS]
    return float(WEIGHTS[int(np.argmax(reached))])


def added_scores(score: Score, test_lists: Lists, weight: float) -> Score:
    """A scorer that adds the generator's score of the same list, both as z-scores within a list."""
    row_of = {int(test_lists.users[row]): row for row in test_lists.rows}

    def both(users: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        theirs = test_lists.scores[[row_of[int(user)] for user in users]]
        return weight * within_list(score(users, candidates)) + (1 - weight) * within_list(theirs)

    return both


def within_list(scores: np.ndarray) -> np.ndarray:
    """(n, k) z-scores of each row; zeros where all scores of a list are equal."""
    spread = scores.std(1, keepdims=True)
    centred = scores - scores.mean(1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)


def _ndcg(scores: np.ndarray, valid_lists: Lists) -> float:
    """Mean NDCG@10 of the lists `rows`, ordered by scores (rows, k); equal scores keep the first-stage order."""
    rows = valid_lists.rows
    if not len(rows):
        return 0.0
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(valid_lists.candidates[rows], order, 1)
    rank = 1 + (ranked == valid_lists.goals[rows][:, None]).argmax(1)
    return float(value(rank, "NDCG@10").mean())
