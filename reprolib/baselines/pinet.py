"""pi-Net: parallel GRUs with a shared-account filter and a cross-domain transfer unit (Ma et al., SIGIR 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.nn.cross import at_pointers
from reprolib.nn.encoder import drop, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import source_loss
from reprolib.training.sequence_system import sequence_system


class PiNet(nn.Module):
    """GRU states of both domains, filtered by `members` latent users (SFU) and carried over by a GRU (CTU).

    At each target step the filter reads the source state at the same moment. Both domains are trained on their next
    item, as published; ours predicts at every step, not once per session, and scores with the items it reads instead
    of a separate softmax layer. Our data has no shared accounts: the members are latent. The candidate state takes a
    member projection of its own, as in the paper (the released code reuses the gate's).
    Parameters: (items + 1) d + 3 GRUs (6 d² + 6 d each) + SFU (8 d² + members d + 2 d) + 2 d² + d.
    """

    parts = ("tgt", "src")

    def __init__(self, split: Split, *, dim: int, length: int, dropout: float, members: int):
        super().__init__()
        self.length = length
        self.dropout = dropout
        self.source_items = split.source_range
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.target = nn.GRU(dim, dim, batch_first=True)
        self.source = nn.GRU(dim, dim, batch_first=True)
        self.transfer = nn.GRU(dim, dim, batch_first=True)
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
        return self.encode(batch, table)[0]

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the loss of the next source item."""
        states, source = self.encode(batch, table)
        return states, source_loss(source, batch, table, self.source_items)

    def encode(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States that predict the next target item (B, T, d), and those of the source GRU (B, S, d)."""
        p = self.dropout if self.training else 0.0
        target = self.target(drop(F.embedding(batch.tgt, table), p))[0]
        source = self.source(drop(F.embedding(batch.src, table), p))[0]
        both = torch.cat([target, at_pointers(source, batch.src_ptr)], -1)
        carried = self.transfer(self.filter(both))[0]
        return self.out(drop(torch.cat([carried, target], -1), p)), source

    def filter(self, pair: Tensor) -> Tensor:
        """The shared-account filter unit, step by step: [h^A; h^B] (B, T, 2d) to s (B, T, d)."""
        inward = self.inward(pair)  # (B, T, 2d)
        members = self.identity(self.member)  # (members, 2d)
        state = pair.new_zeros(len(pair), members.shape[1] // 2)  # (B, d)
        states = []
        for x in inward.unbind(1):
            both = (x + self.back(state))[:, None] + members  # (B, members, 2d)
            gate, candidate = both.chunk(2, -1)
            gate = gate.sigmoid()
            state = (gate * state[:, None] + (1 - gate) * candidate.tanh()).mean(1)
            states.append(state)
        return torch.stack(states, 1)


@sequence_system
def pinet(
    dataset: Dataset, *, dim: int = 64, length: int = 50, dropout: float = 0.2, members: int = 4
) -> PiNet:
    """pi-Net with `members` latent users of an account."""
    return PiNet(dataset.split, dim=dim, length=length, dropout=dropout, members=members)
