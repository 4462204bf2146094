"""Popularity: every user gets the items with most training events, the floor that every model must beat."""

import numpy as np
import torch
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.training.fitted import Fitted


def popularity(dataset: Dataset, seed: int, progress: bool) -> Fitted:
    """Most training events first. Nothing is trained or drawn: `seed` and `progress` change nothing."""
    split = dataset.split
    items = training_counts(split)

    def vectors(stage: str) -> tuple[Tensor, Tensor]:
        users, _ = split.held_out(stage)
        return torch.ones(len(users), 1), items

    return Fitted(vectors, parameters=0)


def training_counts(split: Split) -> Tensor:
    """(n_items + 1, 1) float32 counts of training events in the target domain; row 0 is padding."""
    _, items = split.train_pairs()
    counts = np.bincount(items, minlength=split.n_items + 1)
    return torch.from_numpy(counts.astype(np.float32))[:, None]
