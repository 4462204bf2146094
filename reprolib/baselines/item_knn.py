"""ItemKNN: items that the same users met, weighed by how recently the user met theirs. A floor without training."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split, slices
from reprolib.training.fitted import Fitted


def item_knn(dataset: Dataset, seed: int, progress: bool, *, length: int = 50) -> Fitted:
    """Score of item j: Σ over the user's latest `length` items i of cos(i, j) / k, the latest having k = 1.

    Cosine of the items' columns of the (user, item) matrix of the target domain's training events (Sarwar et al.,
    WWW 2001); the weights 1 / k make a list for now, not for ever. No parameters, no seed.
    """
    split = dataset.split
    similarity = item_cosines(split)

    def scores(stage: str):
        history = recent_items(split, stage, length)

        def block(a: int, b: int) -> Tensor:
            return torch.from_numpy((history[a:b] @ similarity).toarray()).float()

        return block

    return Fitted(None, parameters=0, scores=scores)


def item_cosines(split: Split) -> sparse.csr_matrix:
    """(n_items + 1, n_items + 1) cosines of the items' users in the training events, 0 on the diagonal."""
    user, item = split.train_pairs()
    shape = (split.n_users, split.n_items + 1)
    met = sparse.csr_matrix((np.ones(len(user)), (user, item)), shape=shape)
    met.data[:] = 1  # an item met twice counts once
    norms = np.sqrt(np.asarray(met.sum(0)).ravel())
    scale = sparse.diags(1 / np.maximum(norms, 1))
    cosines = (scale @ (met.T @ met) @ scale).tolil()
    cosines.setdiag(0)
    return cosines.tocsr()


def recent_items(split: Split, stage: str, length: int) -> sparse.csr_matrix:
    """(held-out events, n_items + 1): 1 / k at the k-th latest target item before each held-out event of the stage."""
    users, positions = split.held_out(stage)
    start = np.maximum(split.ptr[users], positions - length)
    row, position = slices(start, positions, np.arange(len(split.item)))
    age = positions[row] - position  # 1 = the latest
    shape = (len(users), split.n_items + 1)
    return sparse.csr_matrix((1 / age, (row, split.item[position])), shape=shape)
