"""pi-Net: parallel GRUs with a shared-account filter and a cross-domain transfer unit (Ma et al., SIGIR 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.nn.cross import at
from reprolib.nn.encoder import dropout, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import source_loss


class PiNet(nn.Module):
    """GRU states of both domains, filtered by `members` latent users (SFU) and carried over by a GRU (CTU).

    At each target step the filter reads the source state at the same moment. Both domains are trained on their next
    item, as published; ours predicts at every step, not once per session, and scores with the items it reads instead
    of a separate softmax layer. Our data has no shared accounts: the members are latent. The candidate state takes a
    member projection of its own, as in the paper (the released code reuses the gate's).
    Parameters: (items + 1) d + 3 GRUs (6 d² + 6 d each) + SFU (8 d² + members d + 2 d) + 2 d² + d.
    """

    parts = ("tgt", "src")

    def __init__(
        self, split: Split, dim: int = 64, length: int = 50, dropout: float = 0.2, members: int = 4
    ):
        super().__init__()
        self.length, self.dropout, self.other = length, dropout, split.ranges[split.source]
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.target, self.source, self.transfer = (
            nn.GRU(dim, dim, batch_first=True) for _ in range(3)
        )
        self.member = nn.Parameter(torch.randn(members, dim) * dim**-0.5)
        self.inward = nn.Linear(2 * dim, 2 * dim)  # [h^A; h^B] to gate and candidate
        self.back = nn.Linear(dim, 2 * dim, bias=False)  # s_{t-1} to gate and candidate
        self.identity = nn.Linear(dim, 2 * dim, bias=False)  # V_f e_k and V_s e_k
        self.out = nn.Linear(2 * dim, dim)
        xavier(self)

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are both read and scored."""
        return self.item.weight

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        return self.training_step(batch, table)[0]

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the loss of the next source item."""
        p = self.dropout if self.training else 0.0
        own = self.target(dropout(F.embedding(batch.tgt, table), p))[0]
        other = self.source(dropout(F.embedding(batch.src, table), p))[0]
        shared = self.filter(torch.cat([own, at(other, batch.src_ptr)], -1))
        state = self.out(dropout(torch.cat([self.transfer(shared)[0], own], -1), p))
        return state, source_loss(
            other, batch, table, self.other
        ) if self.training else state.new_zeros(())

    def filter(self, pair: Tensor) -> Tensor:
        """The shared-account filter unit, step by step: [h^A; h^B] (B, T, 2d) to s (B, T, d)."""
        inward, who = self.inward(pair), self.identity(self.member)  # (B, T, 2d), (members, 2d)
        s, told = pair.new_zeros(len(pair), who.shape[1] // 2), []
        for x in inward.unbind(1):
            gate, candidate = ((x + self.back(s))[:, None] + who).chunk(
                2, -1
            )  # (B, members, d) each
            gate = gate.sigmoid()
            s = (gate * s[:, None] + (1 - gate) * candidate.tanh()).mean(1)
            told.append(s)
        return torch.stack(told, 1)
