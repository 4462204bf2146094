"""MGCL: multi-view graph contrastive learning for cross-domain sequences (Xu et al., ICDM 2023). Our reading."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.graph import Graph, symmetric, transitions, user_item, with_loops
from reprolib.nn.cross import at
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import info_nce


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
        dim: int = 64,
        length: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.2,
        item_weight: float = 0.1,
        user_weight: float = 0.1,
        tau: float = 0.2,
    ):
        super().__init__()
        self.length, self.tau, self.weights = length, tau, (item_weight, user_weight)
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.user = nn.Embedding(split.n_users, dim)
        self.target, self.source = (
            CausalEncoder(dim, length, blocks, heads, dropout) for _ in range(2)
        )
        self.carry = nn.Linear(dim, dim)
        self.met = Graph(symmetric(user_item(split)).T)
        self.followed = Graph(
            symmetric(with_loops(transitions(split, "target") + transitions(split, "source")))
        )
        xavier(self)

    def views(self) -> tuple[Tensor, Tensor]:
        """Static and dynamic item vectors, (n_items + 1, d) each."""
        items = self.item.weight
        return (items + self.met(self.user.weight)) / 2, (items + self.followed(items)) / 2

    def item_table(self) -> Tensor:
        """(n_items + 1, d) sums of the two views, both read and scored."""
        static, dynamic = self.views()
        return static + dynamic

    def encode(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States of both domains, (B, T, d) and (B, S, d)."""
        return (
            self.target(F.embedding(batch.tgt, table), batch.tgt_age),
            self.source(F.embedding(batch.src, table), batch.src_age),
        )

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        own, other = self.encode(batch, table)
        return own + self.carry(at(other, batch.src_ptr))

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the two weighted contrastive losses."""
        own, other = self.encode(batch, table)
        static, dynamic = self.views()
        met = torch.cat([batch.tgt.flatten(), batch.src.flatten()]).unique()[1:]
        met = met[
            torch.randperm(len(met), device=met.device)[:1024]
        ]  # the loss is quadratic in them
        items = info_nce(dynamic[met], static[met], self.tau)
        both = ((batch.n > 0) & (batch.src_n > 0)).nonzero()[:, 0]
        users = info_nce(other[both, batch.src_n[both] - 1], own[both, batch.n[both] - 1], self.tau)
        loss = self.weights[0] * items + (self.weights[1] * users if len(both) > 1 else 0.0)
        return own + self.carry(at(other, batch.src_ptr)), loss
