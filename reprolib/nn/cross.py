"""Reading one sequence from the positions of another, along the time pointers of a Batch."""

import torch
from torch import Tensor


def at_pointers(states: Tensor, pointer: Tensor) -> Tensor:
    """(B, T, d): of states (B, S, d) the one that `pointer` (B, T) names; zeros where it is -1."""
    index = pointer.clamp(min=0)[..., None].expand(-1, -1, states.shape[-1])
    return states.gather(1, index) * (pointer >= 0)[..., None]


def readable(pointer: Tensor, size: int) -> Tensor:
    """(B, T, size) bool: which of `size` positions stand at or before `pointer` (B, T)."""
    return torch.arange(size, device=pointer.device) <= pointer[..., None]


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis where `mask` (like scores) holds; rows without any are all zero, not NaN."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """(B, T, d): softmax(q kᵀ / √d) v over the positions that `mask` allows; zeros where it allows none.

    query (B, T, d), key and value (B, S, d), mask (B, T, S) bool
    """
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    return masked_softmax(scores, mask) @ value
