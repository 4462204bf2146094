"""Popularity: every user gets the items with most training events, the floor that every model must beat."""

import numpy as np
import torch
from torch import Tensor

from reprolib.data.split import Split


def popularity(split: Split) -> Tensor:
    """(n_items + 1, 1) float32 counts of training events in the target domain; row 0 is padding."""
    counts = np.bincount(split.train_pairs()[1], minlength=split.n_items + 1)
    return torch.from_numpy(counts.astype(np.float32))[:, None]
