"""Batches for sequence models: index slices of tensors that already lie on the device, right-padded, cut to the longest
row. Every time pointer is set here, once, from `Split.before`; no model looks at a clock itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reprolib.data.split import Split


@dataclass(frozen=True)
class Batch:
    """B rows, each one user's sequences up to one last label. All tensors int64, right-padded with 0.

    user (B,), n (B,)     user codes; number of real target positions
    tgt, tgt_t (B, T)     target input items and times; `tgt_age` counts back from the row's last input (0 = latest)
    pos (B, T)            the next target item of each position; `real` (B, T) says which positions count
    src, src_t, src_age (B, S), src_n (B,)     source events before the last label (part "src")
    src_ptr (B, T)        last index in src that may be read to predict pos; -1 = none
    mix, mix_t, mix_age, mix_dom (B, M), mix_n (B,)   both domains merged by time; mix_dom 0 = source, 1 = target
    mix_ptr (B, T)        last index in mix that may be read to predict pos; -1 = none
    Fields of parts that were not asked for are None.
    """

    user: Tensor
    n: Tensor
    tgt: Tensor
    tgt_t: Tensor
    tgt_age: Tensor
    pos: Tensor
    real: Tensor
    src: Tensor | None = None
    src_t: Tensor | None = None
    src_age: Tensor | None = None
    src_n: Tensor | None = None
    src_ptr: Tensor | None = None
    mix: Tensor | None = None
    mix_t: Tensor | None = None
    mix_age: Tensor | None = None
    mix_dom: Tensor | None = None
    mix_n: Tensor | None = None
    mix_ptr: Tensor | None = None


class Batches:
    """The rows of one stage of a split, and how to cut batches from them.

    stage   "train": one row per user with two or more training events, a label at every position;
            "valid", "test": one row per held-out event, in the order of `split.held_out(stage)`; only the last label
            is the held-out event
    length  at most this many latest events of each sequence
    parts   which sequences to build: ("tgt",), ("tgt", "mix") or ("tgt", "src", "mix")
    """

    def __init__(
        self,
        split: Split,
        stage: str,
        length: int,
        parts: tuple[str, ...] = ("tgt",),
        device: torch.device | str = "cpu",
    ):
        if stage == "train":
            user = np.flatnonzero(split.train_end - split.ptr[:-1] >= 2)
            label = split.train_end[user] - 1
        else:
            user, label = split.held_out(stage)
        self.parts, self.length, self.device = parts, length, device

        def put(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)).to(device)

        self.n_np = np.minimum(label - split.ptr[user], length)
        self.user, self.label, self.n = put(user), put(label), put(self.n_np)
        self.item, self.time = put(split.item), put(split.time)
        self.longest = self.n_np
        if "src" in parts:
            self.before, self.src_start = put(split.before), put(split.src_ptr[user])
            self.src_item, self.src_time = (
                put(np.append(split.src_item, 0)),
                put(np.append(split.src_time, 0)),
            )
            self.longest = np.maximum(self.longest, np.minimum(split.before[label], length))
        if "mix" in parts:
            place, item, time, domain = _merge(split)
            self.mix_place, self.mix_start = put(place), put(split.ptr[user] + split.src_ptr[user])
            self.mix_item, self.mix_time, self.mix_domain = put(item), put(time), put(domain)
            self.longest = np.maximum(self.longest, np.minimum(place[label], length))

    def __len__(self) -> int:
        return len(self.n_np)

    def epoch(self, batch_size: int, rng: np.random.Generator) -> Iterator[Tensor]:
        """Row numbers of one epoch's batches: rows of like length together, order within and of batches random."""
        order = torch.from_numpy(np.lexsort((rng.random(len(self)), self.longest))).to(self.device)
        for b in rng.permutation(-(-len(self) // batch_size)):
            yield order[b * batch_size : (b + 1) * batch_size]

    def batch(self, rows: Tensor) -> Batch:
        """The batch of the given row numbers."""
        n, label = self.n[rows], self.label[rows]
        at, real, age = _window(label, n, len(self.item) - 1)
        fields = {
            "user": self.user[rows],
            "n": n,
            "tgt": self.item[at] * real,
            "tgt_t": self.time[at] * real,
            "tgt_age": age,
            "pos": self.item[at + 1] * real,
            "real": real,
        }
        if "src" in self.parts:
            readable = self.before[label]
            count = readable.clamp(max=self.length)
            where, inside, age = _window(self.src_start[rows] + readable, count, len(self.src_item))
            fields |= {
                "src": self.src_item[where] * inside,
                "src_t": self.src_time[where] * inside,
                "src_age": age,
                "src_n": count,
                "src_ptr": self._pointer(self.before[at + 1], readable - count, real),
            }
        if "mix" in self.parts:
            readable = self.mix_place[label]
            count = readable.clamp(max=self.length)
            where, inside, age = _window(self.mix_start[rows] + readable, count, len(self.mix_item))
            fields |= {
                "mix": self.mix_item[where] * inside,
                "mix_t": self.mix_time[where] * inside,
                "mix_age": age,
                "mix_dom": self.mix_domain[where] * inside,
                "mix_n": count,
                "mix_ptr": self._pointer(self.mix_place[at + 1], readable - count, real),
            }
        return Batch(**fields)

    @staticmethod
    def _pointer(readable: Tensor, dropped: Tensor, real: Tensor) -> Tensor:
        """Index of the last readable event inside the window that starts after `dropped` events; -1 = none."""
        return torch.where(real, (readable - 1 - dropped[:, None]).clamp(min=-1), -1)


def _window(end: Tensor, n: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positions end - n .. end - 1 per row, which of them are real, and their age counted from the last (0)."""
    steps = torch.arange(max(int(n.max()) if len(n) else 0, 1), device=n.device)
    real = steps < n[:, None]
    at = ((end - n)[:, None] + steps).clamp_(max=size - 1)
    return at, real, (n[:, None] - 1 - steps).clamp_(min=0)


def _merge(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both domains in one sequence per user: a target event stands after exactly the source events it may read.

    Returns (place of each target event within its user's merged sequence, merged items, times, 1 = target).
    """
    user = np.repeat(np.arange(split.n_users), np.diff(split.ptr))
    src_user = np.repeat(np.arange(split.n_users), np.diff(split.src_ptr))
    place = np.arange(len(user)) - split.ptr[:-1][user] + split.before
    start = split.ptr[:-1] + split.src_ptr[:-1]
    total = len(user) + len(src_user)
    item, time, domain = (
        np.empty(total, np.int64),
        np.empty(total, np.int64),
        np.zeros(total, np.int64),
    )
    at = start[user] + place
    item[at], time[at], domain[at] = split.item, split.time, 1
    free = np.flatnonzero(domain == 0)
    item[free], time[free] = split.src_item, split.src_time
    return place, item, time, domain


class Negatives:
    """Uniform negatives from the candidates that the user has no training event with, drawn exactly by rejection."""

    def __init__(self, split: Split):
        user, item = split.train_pairs()
        self.first, self.last = split.candidates
        self.base = split.n_items + 1
        self.keys = np.unique(user * self.base + item)
        per_user = np.bincount(self.keys // self.base, minlength=1)
        if per_user.max() > self.last - self.first:
            raise ValueError(
                f"Negatives: a user of {split.name} has met all {self.last - self.first + 1} candidates; "
                "no negative is left"
            )

    def draw(self, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One item code per entry of `users`."""
        negative = rng.integers(self.first, self.last + 1, len(users))
        open_ = np.arange(len(users))
        while len(open_):
            key = users[open_] * self.base + negative[open_]
            at = np.searchsorted(self.keys, key)
            at[at == len(self.keys)] = 0
            open_ = open_[self.keys[at] == key]
            negative[open_] = rng.integers(self.first, self.last + 1, len(open_))
        return negative
