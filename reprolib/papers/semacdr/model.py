"""SemaCDR (WWW 2026): graph-enhanced item views, three sequences, cross-attention, adaptive fusion."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.graph import Graph, co_interaction, symmetric, transitions, user_item, with_loops
from reprolib.nn.cross import at, attend, readable
from reprolib.nn.encoder import CausalEncoder, dropout, xavier
from reprolib.papers.semacdr.views import Views
from reprolib.training.batches import Batch


class SemaCDR(nn.Module):
    """Equations 2 to 14 of the paper; the recommendation loss is the trainer's ("bpr" is equation 13).

    views       the item views; `views.weight` is λ
    item_graph  "co-interaction" (section 3.3: items of one domain that the same users met, the 50 most frequent per
                item) or "sequential" (SimpGraph of Table 3: each user's own item sequence)
    cross       cross-attention of the target states over the source states; False = "w/o CDBehav"
    fusion      "learned" α, β, γ from 1/3, or "average": they stay 1/3 (AvgFusion)
    score       against the "id" embedding (equation 12) or the "graph"-enhanced item
    Our reading: cross-attention keeps its query (a residual), so a user without source events is not lost; the user's
    graph vector h_u is built from the events up to the prediction only, never from the label's own edge.
    Parameters: (users + items + 1) d + views + 3 (views d² + d) + 3 encoders + 3 d² + 3.
    """

    parts = ("tgt", "src", "mix")

    def __init__(
        self,
        split: Split,
        views: Views,
        dim: int = 64,
        length: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.5,
        item_graph: str = "co-interaction",
        cross: bool = True,
        fusion: str = "learned",
        score: str = "id",
        lr_semantic: float = 3e-4,
    ):
        super().__init__()
        self.length, self.dropout, self.score, self.lr_semantic = (
            length,
            dropout,
            score,
            lr_semantic,
        )
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.user = nn.Embedding(split.n_users, dim)
        self.encoder = nn.ModuleDict(
            {
                s: CausalEncoder(dim, length, blocks, heads, dropout)
                for s in ("source", "target", "mix")
            }
        )
        self.gcn = nn.ModuleDict(
            {s: nn.Linear(len(views.use) * dim, dim) for s in ("within", "mix")}
        )
        self.cross = (
            nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(3)) if cross else None
        )
        xavier(self)
        self.fusion = nn.Parameter(torch.full((3,), 1 / 3), requires_grad=fusion == "learned")
        self.views = views
        edges = (
            co_interaction(split)
            if item_graph == "co-interaction"
            else (transitions(split, "target") + transitions(split, "source"))
        )
        self.among_items = Graph(symmetric(with_loops(edges)))
        met = user_item(split)
        degree = torch.from_numpy(met.sum(0)).float().flatten() + 1  # with the item's own loop
        self.met_by = Graph(symmetric(met).T)
        self.register_buffer("degree", degree, persistent=False)

    def learning_rates(self) -> list[dict]:
        """The semantic modules learn at `lr_semantic`, everything else at the trainer's rate."""
        semantic = list(self.views.parameters())
        own = {id(p) for p in semantic}
        rest = [p for p in self.parameters() if id(p) not in own]
        return (
            [{"params": semantic, "lr": self.lr_semantic}, {"params": rest}]
            if semantic
            else [{"params": rest}]
        )

    def report(self) -> dict:
        """Who wrote the texts, and the fusion weights."""
        return self.views.report | dict(
            zip(("alpha", "beta", "gamma"), self.fusion.tolist(), strict=True)
        )

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are scored (equation 12)."""
        return self.item.weight if self.score == "id" else self.within()

    def within(self) -> Tensor:
        """(n_items + 1, d): h^S and h^T in one table (equations 4 and 5)."""
        gcn = self.gcn["within"]
        return F.leaky_relu(self.among_items(self.views.project(self.item.weight, gcn)) + gcn.bias)

    def across(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """h^mix of the merged items and of the user after each of them, from that event and the earlier ones;
        (B, M, d) each (equation 6)."""
        nodes, place = batch.mix.unique(return_inverse=True)
        e = self.views.project(self.item.weight, self.gcn["mix"], nodes)
        degree, bias = self.degree[nodes, None], self.gcn["mix"].bias
        items = F.leaky_relu(e / degree + self.met_by.rows(self.user.weight, nodes) + bias)
        met = torch.arange(2, batch.mix.shape[1] + 2, device=e.device)[
            :, None
        ]  # events so far, and a loop
        told = F.embedding(place, e / degree.sqrt()).cumsum(1)
        users = F.leaky_relu(self.user(batch.user)[:, None] / met + told / met.sqrt() + bias)
        return F.embedding(place, items), users

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): z^final at each target position (equations 7 to 11)."""
        p = self.dropout if self.training else 0.0
        within, (items, users) = self.within(), self.across(batch)
        target = self.encoder["target"](F.embedding(batch.tgt, within), batch.tgt_age)
        fused = target
        if self.cross:
            source = self.encoder["source"](F.embedding(batch.src, within), batch.src_age)
            q, k, v = (f(x) for f, x in zip(self.cross, (target, source, source), strict=True))
            fused = target + dropout(
                attend(q, k, v, readable(batch.src_ptr, batch.src.shape[1])), p
            )
        merged = self.encoder["mix"](items, batch.mix_age)
        alpha, beta, gamma = self.fusion
        return alpha * fused + at(beta * merged + gamma * users, batch.mix_ptr)

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and λ (L¹_c + L²_c) (equation 14)."""
        return self.states(batch, table), self.views.contrast(self.item.weight)
