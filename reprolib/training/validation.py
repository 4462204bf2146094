"""What early stopping looks at: NDCG@10 of the validation events under full ranking."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reprolib.data.split import Split, slices
from reprolib.evaluate.metrics import value
from reprolib.evaluate.ranking import full_rank, rank_by_scores


class Validation:
    """The validation events of a split, or a sample of them.

    split       the data
    most_users  look at no more events than this; None = at all of them
    seed        draws the sample
    Attributes: `rows` (events,) places of the chosen events in `split.held_out("valid")`, `users` (events,) their
    user codes.
    """

    def __init__(self, split: Split, most_users: int | None = None, seed: int = 0):
        users, held_out = split.held_out("valid")
        _, pointers, codes = split.seen("valid")
        chosen = np.random.default_rng(seed).permutation(len(users))[:most_users]
        self.rows = np.sort(chosen)
        self.users = users[self.rows]
        self.candidates = split.candidates
        seen = slices(pointers[self.rows], pointers[self.rows + 1], codes)[1]
        seen_counts = np.diff(pointers)[self.rows]
        self.seen = torch.from_numpy(seen)
        self.seen_ptr = torch.from_numpy(np.concatenate([[0], np.cumsum(seen_counts)]))
        self.target = torch.from_numpy(split.item[held_out][self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def ndcg_of_vectors(self, queries: Tensor, items: Tensor) -> float:
        """Mean NDCG@10 where score = dot product; 0 where there are no validation events.

        queries  (events, d) in the order of `rows`;  items  (n_items + 1, d)
        """
        if not len(self):
            return 0.0
        target = self.target.to(items.device)
        ranks = full_rank(queries, items, target, self.seen_ptr, self.seen, *self.candidates)
        return _mean_ndcg(ranks)

    def ndcg_of_scores(self, scores: Callable[[int, int], Tensor], device: torch.device) -> float:
        """Mean NDCG@10 of any scoring function; 0 where there are no validation events.

        scores  (a, b) -> (b - a, n_items + 1) scores of the events rows[a:b], on `device`
        """
        if not len(self):
            return 0.0
        ranks = rank_by_scores(
            scores,
            len(self),
            self.target,
            self.seen_ptr,
            self.seen,
            *self.candidates,
            device=device,
        )
        return _mean_ndcg(ranks)


def _mean_ndcg(ranks: Tensor) -> float:
    return float(value(ranks.numpy(), "NDCG@10").mean())
