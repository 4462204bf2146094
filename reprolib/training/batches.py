"""Batches for sequence models: index slices of tensors that already lie on the device, right-padded.

Every time pointer is set here, once, from `Split.before`; no model looks at a clock itself.
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
    label_weight, source_label_weight   what a mean over this batch's target or source labels is multiplied by, so that
                          every label weighs alike, whatever its batch (`Recipe.label_weights`); 1 = not at all
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
    label_weight: float = 1.0
    source_label_weight: float = 1.0


class Batches:
    """The rows of one stage of a split, and how to cut batches from them.

    stage   "train": one row per user with two or more training events, a label at every position;
            "valid", "test": one row per held-out event, in the order of `split.held_out(stage)`; only the last label
            is the held-out event
    length  at most this many latest events of each sequence
    parts   which sequences to build: ("tgt",), ("tgt", "mix") or ("tgt", "src", "mix")
    device  where the tensors lie
    Attributes: `user` (rows,) codes, `n_np` (rows,) number of target positions, `source_labels` (rows,) number of
    source events that have a source event before them, `longest` (rows,) longest sequence of the parts.
    """

    def __init__(
        self,
        split: Split,
        stage: str,
        length: int,
        parts: tuple[str, ...] = ("tgt",),
        device: torch.device | str = "cpu",
    ):
        self.parts = parts
        self.length = length
        self.device = device
        user, label = _rows(split, stage)
        self.n_np = np.minimum(label - split.ptr[user], length)
        self.longest = self.n_np
        self.source_labels = np.zeros(len(user), np.int64)
        self.user = self._tensor(user)
        self.label = self._tensor(label)  # position of each row's last label in `split.item`
        self.n = self._tensor(self.n_np)
        self.item = self._tensor(split.item)
        self.time = self._tensor(split.time)
        if "src" in parts:
            self._prepare_source(split, user, label)
        if "mix" in parts:
            self._prepare_merged(split, user, label)

    def _prepare_source(self, split: Split, user: np.ndarray, label: np.ndarray) -> None:
        self.before = self._tensor(split.before)
        self.src_start = self._tensor(split.src_ptr[user])
        # one event more, so that there is something to point at where nobody has a source event
        self.src_item = self._tensor(np.append(split.src_item, 0))
        self.src_time = self._tensor(np.append(split.src_time, 0))
        n_source = np.minimum(split.before[label], self.length)
        self.source_labels = np.maximum(n_source - 1, 0)
        self.longest = np.maximum(self.longest, n_source)

    def _prepare_merged(self, split: Split, user: np.ndarray, label: np.ndarray) -> None:
        place, item, time, domain = _merge(split)
        self.mix_place = self._tensor(place)
        self.mix_start = self._tensor(split.ptr[user] + split.src_ptr[user])
        self.mix_item = self._tensor(item)
        self.mix_time = self._tensor(time)
        self.mix_domain = self._tensor(domain)
        n_merged = np.minimum(place[label], self.length)
        self.longest = np.maximum(self.longest, n_merged)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)).to(self.device)

    def __len__(self) -> int:
        return len(self.n_np)

    def epoch(self, batch_size: int, rng: np.random.Generator, pool: int = 0) -> Iterator[Tensor]:
        """Row numbers of one epoch's batches: rows of like length together, order within and of batches random.

        pool  the rows are shuffled and cut into pools of so many batches, and sorted by length within a pool only:
              the larger, the less padding and the less a batch mixes short and long rows. 1 = no sorting; 0 = one
              pool of all rows
        """
        n_batches = -(-len(self) // batch_size)
        chance = rng.random(len(self))
        if pool:
            place = np.argsort(np.argsort(chance))  # of each row in a random order
            pool_of_row = place // (pool * batch_size)
        else:
            pool_of_row = np.zeros(len(self), np.int64)
        length = self.longest if pool != 1 else np.zeros(len(self), np.int64)
        order = torch.from_numpy(np.lexsort((chance, length, pool_of_row))).to(self.device)
        for batch in rng.permutation(n_batches):
            yield order[batch * batch_size : (batch + 1) * batch_size]

    def batch(self, rows: Tensor) -> Batch:
        """The batch of the row numbers (B,)."""
        n = self.n[rows]
        event, real, age = _window(self.label[rows], n, len(self.item) - 1)
        source = self._source(rows, event, real) if "src" in self.parts else {}
        merged = self._merged(rows, event, real) if "mix" in self.parts else {}
        return Batch(
            user=self.user[rows],
            n=n,
            tgt=self.item[event] * real,
            tgt_t=self.time[event] * real,
            tgt_age=age,
            pos=self.item[event + 1] * real,
            real=real,
            **source,
            **merged,
        )

    def _source(self, rows: Tensor, event: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Fields of the part "src"; event (B, T) target positions in `item`, real (B, T)."""
        readable = self.before[self.label[rows]]
        n = readable.clamp(max=self.length)
        source_event, exists, age = _window(self.src_start[rows] + readable, n, len(self.src_item))
        return {
            "src": self.src_item[source_event] * exists,
            "src_t": self.src_time[source_event] * exists,
            "src_age": age,
            "src_n": n,
            "src_ptr": _pointer(self.before[event + 1], readable - n, real),
        }

    def _merged(self, rows: Tensor, event: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Fields of the part "mix"; event (B, T) target positions in `item`, real (B, T)."""
        readable = self.mix_place[self.label[rows]]
        n = readable.clamp(max=self.length)
        mix_event, exists, age = _window(self.mix_start[rows] + readable, n, len(self.mix_item))
        return {
            "mix": self.mix_item[mix_event] * exists,
            "mix_t": self.mix_time[mix_event] * exists,
            "mix_age": age,
            "mix_dom": self.mix_domain[mix_event] * exists,
            "mix_n": n,
            "mix_ptr": _pointer(self.mix_place[event + 1], readable - n, real),
        }


def _rows(split: Split, stage: str) -> tuple[np.ndarray, np.ndarray]:
    """User of each row, and position of its last label in `split.item`."""
    if stage != "train":
        return split.held_out(stage)
    n_training = split.train_end - split.ptr[:-1]
    user = np.flatnonzero(n_training >= 2)
    return user, split.train_end[user] - 1


def _window(end: Tensor, n: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per row the n positions before `end`, right-padded: positions (B, L), which of them are real, and their age.

    end, n (B,); positions are end - n .. end - 1, cut to size - 1 where they are padding; the last has age 0
    """
    longest = int(n.max()) if len(n) else 0
    steps = torch.arange(max(longest, 1), device=n.device)
    real = steps < n[:, None]
    positions = ((end - n)[:, None] + steps).clamp_(max=size - 1)
    age = (n[:, None] - 1 - steps).clamp_(min=0)
    return positions, real, age


def _pointer(readable: Tensor, dropped: Tensor, real: Tensor) -> Tensor:
    """(B, T): index of the last readable event inside a window that starts after `dropped` events; -1 = none.

    readable (B, T) events that may be read to predict each target position, dropped (B,), real (B, T)
    """
    last = (readable - 1 - dropped[:, None]).clamp(min=-1)
    return torch.where(real, last, -1)


def _merge(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both domains in one sequence per user: a target event stands after exactly the source events it may read.

    Returns (place of each target event within its user's merged sequence, merged items, times, 1 = target).
    """
    user = np.repeat(np.arange(split.n_users), np.diff(split.ptr))
    target_place = np.arange(len(user)) - split.ptr[:-1][user]
    place = target_place + split.before
    start = split.ptr[:-1] + split.src_ptr[:-1]
    total = len(split.item) + len(split.src_item)
    item = np.empty(total, np.int64)
    time = np.empty(total, np.int64)
    domain = np.zeros(total, np.int64)
    target_slots = start[user] + place
    item[target_slots] = split.item
    time[target_slots] = split.time
    domain[target_slots] = 1
    source_slots = np.flatnonzero(domain == 0)
    item[source_slots] = split.src_item
    time[source_slots] = split.src_time
    return place, item, time, domain


class Negatives:
    """Uniform negatives from the candidates that the user has no training event with, drawn exactly by rejection.

    Raises ValueError where a user has met all candidates.
    """

    def __init__(self, split: Split):
        user, item = split.train_pairs()
        self.first, self.last = split.candidates
        self.base = split.n_items + 1
        self.keys = np.unique(user * self.base + item)  # one sorted number per (user, item)
        items_of_user = np.bincount(self.keys // self.base, minlength=1)
        n_candidates = self.last - self.first + 1
        if items_of_user.max() >= n_candidates:
            raise ValueError(
                f"Negatives: a user of {split.name} has met all {n_candidates} candidates; no negative is left"
            )

    def draw(self, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One item code per entry of `users` (n,)."""
        drawn = rng.integers(self.first, self.last + 1, len(users))
        undecided = np.arange(len(users))
        while len(undecided):
            is_met = self._is_met(users[undecided], drawn[undecided])
            undecided = undecided[is_met]
            drawn[undecided] = rng.integers(self.first, self.last + 1, len(undecided))
        return drawn

    def _is_met(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(n,) bool: has each user a training event with the item?"""
        key = users * self.base + items
        place = np.searchsorted(self.keys, key)
        place[place == len(self.keys)] = 0
        return self.keys[place] == key
