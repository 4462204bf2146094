"""CD-SASRec: SASRec whose target items carry an aggregated source vector (Alharbi and Caragea 2021). Our reading."""

import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.nn.cross import at_pointers
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import source_loss
from reprolib.training.sequence_system import sequence_system


class CDSASRec(nn.Module):
    """ê_t = LayerNorm(e_t + W c_t), then SASRec; c_t is the source encoder's state at the last source event that may be
    read at target position t. Our reading: neither code nor equations are public. The source encoder is trained
    jointly, on the next source item; source and target share neither encoder nor positions.
    Parameters: (items + 1) d + 2 encoders + d² + 3 d.
    """

    parts = ("tgt", "src")

    def __init__(
        self, split: Split, *, dim: int, length: int, blocks: int, heads: int, dropout: float
    ):
        super().__init__()
        self.length = length
        self.source_items = split.source_range
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.target = CausalEncoder(dim, length, blocks, heads, dropout)
        self.source = CausalEncoder(dim, length, blocks, heads, dropout)
        self.carry = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
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
        """States of the target encoder (B, T, d) and of the source encoder (B, S, d)."""
        source = self.source(F.embedding(batch.src, table), batch.src_age)
        items = self.target.scale * F.embedding(batch.tgt, table)
        items = self.norm(items + self.carry(at_pointers(source, batch.src_ptr)))
        return self.target(items / self.target.scale, batch.tgt_age), source


@sequence_system
def cd_sasrec(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
) -> CDSASRec:
    """CD-SASRec (our reading)."""
    return CDSASRec(
        dataset.split, dim=dim, length=length, blocks=blocks, heads=heads, dropout=dropout
    )
