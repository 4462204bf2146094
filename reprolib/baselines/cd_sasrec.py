"""CD-SASRec: SASRec whose target items carry an aggregated source vector (Alharbi and Caragea 2021). Our reading."""

import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.nn.cross import at
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import source_loss


class CDSASRec(nn.Module):
    """ê_t = LayerNorm(e_t + W c_t), then SASRec; c_t is the source encoder's state at the last source event that may be
    read at target position t. Our reading: neither code nor equations are public. The source encoder is trained
    jointly, on the next source item; source and target share neither encoder nor positions.
    Parameters: (items + 1) d + 2 encoders + d² + 3 d.
    """

    parts = ("tgt", "src")

    def __init__(
        self,
        split: Split,
        dim: int = 64,
        length: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.length, self.other = length, split.ranges[split.source]
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.target, self.source = (
            CausalEncoder(dim, length, blocks, heads, dropout) for _ in range(2)
        )
        self.carry, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim)
        xavier(self)

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are both read and scored."""
        return self.item.weight

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        return self.training_step(batch, table)[0]

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the loss of the next source item."""
        other = self.source(F.embedding(batch.src, table), batch.src_age)
        read = self.target.scale * F.embedding(batch.tgt, table)
        read = self.norm(read + self.carry(at(other, batch.src_ptr)))
        state = self.target(read / self.target.scale, batch.tgt_age)
        return state, source_loss(
            other, batch, table, self.other
        ) if self.training else state.new_zeros(())
