"""SASRec: self-attentive sequential recommendation (Kang and McAuley, ICDM 2018)."""

import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.nn.cross import at
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch


class SASRec(nn.Module):
    """One causal encoder over the target sequence, or over both domains merged by time (`reads="mix"`).

    Score of item i after position t: F_t · M_i with the item table M shared by input and output (equation 6).
    Parameters: (items + 1 + length) d + blocks (6 d² + 10 d) + 2 d; 1.57 million for 23,715 items, d 64, length 50.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        length: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.2,
        reads: str = "tgt",
    ):
        super().__init__()
        self.parts = ("tgt",) if reads == "tgt" else ("tgt", "mix")
        self.length = length
        self.item = nn.Embedding(n_items + 1, dim, padding_idx=0)
        self.encoder = CausalEncoder(dim, length, blocks, heads, dropout)
        xavier(self)

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are both read and scored."""
        return self.item.weight

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        if "mix" not in self.parts:
            return self.encoder(F.embedding(batch.tgt, table, padding_idx=0), batch.tgt_age)
        return at(
            self.encoder(F.embedding(batch.mix, table, padding_idx=0), batch.mix_age), batch.mix_ptr
        )
