"""SASRec: self-attentive sequential recommendation (Kang and McAuley, ICDM 2018)."""

import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.nn.cross import at_pointers
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.sequence_system import sequence_system


class SASRec(nn.Module):
    """One causal encoder over the target sequence, or over both domains merged by time.

    Score of item i after position t: F_t · M_i with the item table M shared by input and output (equation 6).
    Parameters: (items + 1 + length) d + blocks (6 d² + 10 d) + 2 d; 1.57 million for 23,715 items, d 64, length 50.

    split    gives the number of items
    dim      d
    length   latest events that are read
    blocks, heads, dropout  of the encoder
    reads    "tgt": the target sequence; "mix": both domains
    """

    def __init__(
        self,
        split: Split,
        *,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        dropout: float,
        reads: str,
    ):
        super().__init__()
        self.reads = reads
        self.parts = ("tgt",) if reads == "tgt" else ("tgt", "mix")
        self.length = length
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.encoder = CausalEncoder(dim, length, blocks, heads, dropout)
        xavier(self)

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are both read and scored."""
        return self.item.weight

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        if self.reads == "tgt":
            return self.encoder(F.embedding(batch.tgt, table, padding_idx=0), batch.tgt_age)
        merged = self.encoder(F.embedding(batch.mix, table, padding_idx=0), batch.mix_age)
        return at_pointers(merged, batch.mix_ptr)


@sequence_system
def sasrec(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    reads: str = "tgt",
) -> SASRec:
    """SASRec over the target sequence (`reads="tgt"`) or over both domains merged by time (`"mix"`)."""
    return SASRec(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        reads=reads,
    )
