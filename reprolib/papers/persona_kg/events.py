"""Which events a batch reads: a persona is looked up by the event after which it was folded in."""

import numpy as np
import torch
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.training.batches import Batch


class EventPlaces(nn.Module):
    """Finds target events of a split by user, item and time; of events that are equal in all three, the first."""

    def __init__(self, split: Split):
        super().__init__()
        user = np.repeat(np.arange(split.n_users), np.diff(split.ptr))
        times, time = np.unique(split.time, return_inverse=True)
        self.n_items = split.n_items
        self.n_times = len(times)
        keys = self._key(user, split.item, time)
        order = np.argsort(keys, kind="stable")
        self.register_buffer("times", torch.from_numpy(times), persistent=False)
        self.register_buffer("keys", torch.from_numpy(keys[order]), persistent=False)
        self.register_buffer("order", torch.from_numpy(order), persistent=False)

    def _key(self, user, item, time):
        """One number per (user, item, time); time is a place among the different times."""
        return (user * (self.n_items + 1) + item) * self.n_times + time

    def forward(self, batch: Batch) -> Tensor:
        """(B, T): place of each input event in the split's target arrays; any place where it is padding."""
        time = torch.searchsorted(self.times, batch.tgt_t)
        key = self._key(batch.user[:, None], batch.tgt, time)
        found = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
        return self.order[found]
