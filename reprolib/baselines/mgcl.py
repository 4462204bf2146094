"""MGCL: multi-view graph contrastive learning for cross-domain sequences (Xu et al., ICDM 2023). Our reading."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.graph import Graph, symmetric, transitions, user_item, with_loops
from reprolib.nn.cross import at_pointers
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import info_nce
from reprolib.training.sequence_system import sequence_system

TAU = 0.2  # temperature of both contrastive losses
MOST_ITEMS = 1024  # items of a batch that the item loss compares; it is quadratic in them


class MGCL(nn.Module):
    """Items seen from two graphs, users from two domains, each pair held together by InfoNCE. Our reading: no code and
    no equations are public beyond the abstract (the text on MGCL in SemaCDR's appendix describes C2DSR).

    g_i   static view: one LightGCN layer on the user-item graph of both domains
    s_i   dynamic view: one propagation on the item transitions of both domains' training sequences
    x_i = g_i + s_i is read and scored; state = z^T_t + W z^S at the last source event that may be read.
    Loss: + λ_item InfoNCE(s_i, g_i) over the batch's items + λ_user InfoNCE(last source, last target state of a user).
    Parameters: (users + items + 1) d + 2 encoders + d² + d.
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
        item_weight: float,
        user_weight: float,
    ):
        super().__init__()
        self.length = length
        self.item_weight = item_weight
        self.user_weight = user_weight
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.user = nn.Embedding(split.n_users, dim)
        self.target = CausalEncoder(dim, length, blocks, heads, dropout)
        self.source = CausalEncoder(dim, length, blocks, heads, dropout)
        self.carry = nn.Linear(dim, dim)
        self.item_from_users = Graph(symmetric(user_item(split)).T)
        followers = transitions(split, "target") + transitions(split, "source")
        self.item_from_followers = Graph(symmetric(with_loops(followers)))
        xavier(self)

    def views(self) -> tuple[Tensor, Tensor]:
        """Static and dynamic item vectors, (n_items + 1, d) each."""
        items = self.item.weight
        static = (items + self.item_from_users(self.user.weight)) / 2
        dynamic = (items + self.item_from_followers(items)) / 2
        return static, dynamic

    def item_table(self) -> Tensor:
        """(n_items + 1, d) sums of the two views, both read and scored."""
        static, dynamic = self.views()
        return static + dynamic

    def encode(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States of the target sequence (B, T, d) and of the source sequence (B, S, d)."""
        target = self.target(F.embedding(batch.tgt, table), batch.tgt_age)
        source = self.source(F.embedding(batch.src, table), batch.src_age)
        return target, source

    def fuse(self, batch: Batch, target: Tensor, source: Tensor) -> Tensor:
        """(B, T, d): z^T_t + W z^S at the last source event that may be read."""
        return target + self.carry(at_pointers(source, batch.src_ptr))

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        return self.fuse(batch, *self.encode(batch, table))

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the two weighted contrastive losses."""
        target, source = self.encode(batch, table)
        loss = self.item_weight * self.item_loss(batch)
        has_both = (batch.n > 0) & (batch.src_n > 0)
        rows = has_both.nonzero()[:, 0]
        if len(rows) > 1:
            last_source = source[rows, batch.src_n[rows] - 1]
            last_target = target[rows, batch.n[rows] - 1]
            loss = loss + self.user_weight * info_nce(last_source, last_target, TAU)
        return self.fuse(batch, target, source), loss

    def item_loss(self, batch: Batch) -> Tensor:
        """InfoNCE between the two views of the batch's items, or of MOST_ITEMS of them."""
        static, dynamic = self.views()
        items = torch.cat([batch.tgt.flatten(), batch.src.flatten()]).unique()[1:]  # no padding
        sample = torch.randperm(len(items), device=items.device)[:MOST_ITEMS]
        items = items[sample]
        return info_nce(dynamic[items], static[items], TAU)


@sequence_system
def mgcl(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    item_weight: float = 0.1,
    user_weight: float = 0.1,
) -> MGCL:
    """MGCL (our reading); `item_weight` and `user_weight` are λ_item and λ_user."""
    return MGCL(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        item_weight=item_weight,
        user_weight=user_weight,
    )
