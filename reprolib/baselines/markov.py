"""Markov: which item follows the last one, counted over training sequences. A floor that needs no training."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.training.fitted import Fitted

BACK_OFF = 1e-3  # weight of popularity, which orders the items that never followed


def markov(dataset: Dataset, seed: int, progress: bool) -> Fitted:
    """Score of item j after the last item i: share of j among the items that followed i, backed off to popularity.

    Counts direct successions in the target domain's training events; no parameters, no seed.
    """
    split = dataset.split
    followers = follower_shares(split)
    counts = np.bincount(split.train_pairs()[1], minlength=split.n_items + 1)
    popularity = torch.from_numpy(counts / max(counts.sum(), 1)).float()

    def scores(stage: str):
        _, positions = split.held_out(stage)
        last = split.item[positions - 1]  # every held-out event has an earlier one of its user

        def block(a: int, b: int) -> Tensor:
            after = torch.from_numpy(followers[last[a:b]].toarray()).float()
            return after + BACK_OFF * popularity

        return block

    return Fitted(None, parameters=0, scores=scores)


def follower_shares(split: Split) -> sparse.csr_matrix:
    """(n_items + 1, n_items + 1): row i holds, for each item, its share among the items that followed i."""
    end = split.train_end[np.repeat(np.arange(split.n_users), np.diff(split.ptr))]
    position = np.arange(len(split.item))
    starts = np.zeros(len(split.item) + 1, bool)
    starts[split.ptr] = True
    is_follower = (position < end) & ~starts[: len(split.item)]
    after = np.flatnonzero(is_follower)
    size = split.n_items + 1
    pairs = (split.item[after - 1], split.item[after])
    counts = sparse.csr_matrix((np.ones(len(after)), pairs), shape=(size, size))
    totals = np.maximum(counts.sum(1), 1)
    return sparse.csr_matrix(counts.multiply(1 / totals))
