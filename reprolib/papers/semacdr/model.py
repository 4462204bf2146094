"""SemaCDR (WWW 2026): graph-enhanced item views, three sequences, cross-attention, adaptive fusion."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.graph import Graph, co_interaction, symmetric, transitions, user_item, with_loops
from reprolib.nn.cross import at_pointers, attend, readable
from reprolib.nn.encoder import CausalEncoder, drop, xavier
from reprolib.papers.semacdr.views import Views
from reprolib.training.batches import Batch

SEQUENCES = ("source", "target", "mix")


class SemaCDR(nn.Module):
    """Equations 2 to 14 of the paper; the recommendation loss is the trainer's ("bpr" is equation 13).

    views       the item views; `views.weight` is λ
    item_graph  "co-interaction" (section 3.3: items of one domain that the same users met, the 50 most frequent per
                item) or "sequential" (SimpGraph of Table 3: each user's own item sequence)
    shared      fewest users that the items of a co-interaction share (2 = no edge comes from one user alone)
    residual    the graph's output is added to the item's own projection: where an item's neighbours are nearly all
                items, propagation alone makes all items alike
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
        *,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        dropout: float,
        item_graph: str,
        shared: int,
        residual: bool,
        cross: bool,
        fusion: str,
        score: str,
        lr_semantic: float,
    ):
        super().__init__()
        self.length = length
        self.dropout = dropout
        self.score = score
        self.lr_semantic = lr_semantic
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.user = nn.Embedding(split.n_users, dim)
        self.encoder = nn.ModuleDict(
            {s: CausalEncoder(dim, length, blocks, heads, dropout) for s in SEQUENCES}
        )
        width = len(views.use) * dim
        self.gcn = nn.ModuleDict({s: nn.Linear(width, dim) for s in ("within", "mix")})
        self.cross = None
        if cross:
            self.cross = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(3))
        xavier(self)
        self.fusion = nn.Parameter(torch.full((3,), 1 / 3), requires_grad=fusion == "learned")
        self.views = views
        self.residual = residual
        self.item_from_items = item_graph_of(split, item_graph, shared)
        edges = user_item(split)
        self.item_from_users = Graph(symmetric(edges).T)
        degree = torch.from_numpy(edges.sum(0)).float().flatten() + 1  # with the item's own loop
        self.register_buffer("degree", degree, persistent=False)

    def learning_rates(self) -> list[dict]:
        """The semantic modules learn at `lr_semantic`, everything else at the trainer's rate."""
        semantic = list(self.views.parameters())
        semantic_ids = {id(parameter) for parameter in semantic}
        rest = [p for p in self.parameters() if id(p) not in semantic_ids]
        if not semantic:
            return [{"params": rest}]
        return [{"params": semantic, "lr": self.lr_semantic}, {"params": rest}]

    def report(self) -> dict:
        """Who wrote the texts, and the fusion weights."""
        alpha, beta, gamma = self.fusion.tolist()
        return self.views.report | {"alpha": alpha, "beta": beta, "gamma": gamma}

    def item_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are scored (equation 12)."""
        return self.item.weight if self.score == "id" else self.within()

    def within(self) -> Tensor:
        """(n_items + 1, d): h^S and h^T in one table (equations 4 and 5)."""
        layer = self.gcn["within"]
        projected = self.views.project(self.item.weight, layer)
        propagated = self.item_from_items(projected)
        if self.residual:
            propagated = propagated + projected
        return F.leaky_relu(propagated + layer.bias)

    def across(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """h^mix of the merged items and of the user after each of them, from that event and the earlier ones;
        (B, M, d) each (equation 6)."""
        nodes, place = batch.mix.unique(return_inverse=True)
        layer = self.gcn["mix"]
        projected = self.views.project(self.item.weight, layer, nodes)
        degree = self.degree[nodes, None]
        from_users = self.item_from_users.rows(self.user.weight, nodes)
        items = F.leaky_relu(projected / degree + from_users + layer.bias)
        steps = torch.arange(batch.mix.shape[1], device=place.device)
        user_degree = (steps + 2)[:, None]  # events so far, and a loop
        from_items = F.embedding(place, projected / degree.sqrt()).cumsum(1)
        own = self.user(batch.user)[:, None] / user_degree
        users = F.leaky_relu(own + from_items / user_degree.sqrt() + layer.bias)
        return F.embedding(place, items), users

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): z^final at each target position (equations 7 to 11)."""
        within = self.within()
        items, users = self.across(batch)
        fused = self.encoder["target"](F.embedding(batch.tgt, within), batch.tgt_age)
        if self.cross:
            fused = self.attend_to_source(batch, fused, within)
        merged = self.encoder["mix"](items, batch.mix_age)
        alpha, beta, gamma = self.fusion
        return alpha * fused + at_pointers(beta * merged + gamma * users, batch.mix_ptr)

    def attend_to_source(self, batch: Batch, target: Tensor, within: Tensor) -> Tensor:
        """(B, T, d): target states plus their cross-attention over the source states that may be read."""
        source = self.encoder["source"](F.embedding(batch.src, within), batch.src_age)
        to_query, to_key, to_value = self.cross
        may_read = readable(batch.src_ptr, batch.src.shape[1])
        attended = attend(to_query(target), to_key(source), to_value(source), may_read)
        return target + drop(attended, self.dropout if self.training else 0.0)

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and λ (L¹_c + L²_c) (equation 14)."""
        return self.states(batch, table), self.views.contrast(self.item.weight)


def item_graph_of(split: Split, kind: str, shared: int = 1) -> Graph:
    """The normalised item graph with loops: "co-interaction" of at least `shared` users, or "sequential"."""
    if kind == "co-interaction":
        edges = co_interaction(split, users=shared)
    else:
        edges = transitions(split, "target") + transitions(split, "source")
    return Graph(symmetric(with_loops(edges)))
