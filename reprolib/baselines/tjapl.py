"""TJAPL: transfer via joint attentive preference learning (Information Sciences 669, 2024). Our reading."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.nn.cross import attend, masked_softmax, readable
from reprolib.nn.encoder import CausalEncoder, drop, xavier
from reprolib.training.batches import Batch
from reprolib.training.sequence_system import sequence_system


class TJAPL(nn.Module):
    """Three attentions, fused by a gate; one source domain. Our reading: neither code nor equations are public.

    (a) z_t    SASRec over the target sequence
    (b) u_t    z_t attends over all source items that may be read: the user's overall preference
    (c) l_t    z_t attends over the latest `window` of them, with their relative order: local transitions
    state = z_t + g_u ⊙ u_t + g_l ⊙ l_t with g = σ(W [z_t; u_t; l_t] + b).
    Parameters: (items + 1) d + encoder + 5 d² + 6 d² + 2 d + window d.
    """

    parts = ("tgt", "src")

    def __init__(
        self,
        split: Split,
        *,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        dropout: float,
        window: int,
    ):
        super().__init__()
        self.length = length
        self.dropout = dropout
        self.window = window
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.encoder = CausalEncoder(dim, length, blocks, heads, dropout)
        self.overall = nn.Linear(dim, dim, bias=False)
        self.local = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, 2 * dim, bias=False)
        self.order = nn.Embedding(window, dim)
        self.gate = nn.Linear(3 * dim, 2 * dim)
        xavier(self)

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are both read and scored."""
        return self.item.weight

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        p = self.dropout if self.training else 0.0
        z = self.encoder(F.embedding(batch.tgt, table), batch.tgt_age)
        source = drop(self.encoder.scale * F.embedding(batch.src, table), p)
        value_overall, value_local = self.value(source).chunk(2, -1)
        may_read = readable(batch.src_ptr, batch.src.shape[1])
        overall = attend(self.overall(z), source, value_overall, may_read)
        local = self.latest(self.local(z), source, value_local, batch.src_ptr, may_read)
        gates = self.gate(torch.cat([z, overall, local], -1)).sigmoid()
        gate_overall, gate_local = gates.chunk(2, -1)
        return z + drop(gate_overall * overall + gate_local * local, p)

    def latest(
        self, query: Tensor, source: Tensor, value: Tensor, pointer: Tensor, may_read: Tensor
    ) -> Tensor:
        """(B, T, d): attention over the `window` latest readable source items; the key is item + relative order.

        query (B, T, d), source and value (B, S, d), pointer (B, T) last readable index, may_read (B, T, S) bool
        """
        steps = torch.arange(source.shape[1], device=pointer.device)
        distance = pointer[..., None] - steps  # (B, T, S), 0 = latest
        is_near = may_read & (distance < self.window)
        by_item = query @ source.transpose(1, 2)
        by_order = (query @ self.order.weight.T).gather(2, distance.clamp(0, self.window - 1))
        scores = (by_item + by_order) * query.shape[-1] ** -0.5
        return masked_softmax(scores, is_near) @ value


@sequence_system
def tjapl(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    window: int = 10,
) -> TJAPL:
    """TJAPL (our reading); `window` latest source items are the local transitions."""
    return TJAPL(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        window=window,
    )
