"""Tri-CDR: triple cross-domain attention and triple contrastive learning (Ma et al., ACM TOIS 2024)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.nn.cross import at_pointers, masked_softmax, readable
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import nt_xent
from reprolib.training.sequence_system import sequence_system

COSINE_SCALE = 5.0  # at the start: score = 5 cos(state, item)
TAU = 0.1  # temperature of NT-Xent
MARGIN = 4.0  # of the triplet loss
PAIRS = (
    2**14
)  # (target, fact) pairs that the attention computes at a time; keeps every buffer small


class TriCDR(nn.Module):
    """Three encoders; each target state attends over the states of all three; score = s cos(fused, item).

    Loss: + `triple` NT-Xent over the three pairs of last states + `triplet` hinge with source as anchor, merged as
    positive, target as negative (MARGIN). Only states at or before the pointers of the Batch are facts.
    Ours differs from the code: trained from a random start (there: from three trained SASRecs), early stopping on
    validation (there: test), one cosine in training and test, one item table (there: three), and s is learned from 5
    on (there: it stays 5, at which a softmax over thousands of items cannot give any item much).
    views  the plug-in of SemaCDR section 3.4, see `C2DSR`
    Parameters: (items + 1) d + 3 encoders + 3 attention networks (5 d 80 + 80 40 + 162) + 4 d² + 2 d + 3 (d² + d) + 1.
    """

    parts = ("tgt", "src", "mix")

    def __init__(
        self,
        split: Split,
        *,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        dropout: float,
        triple: float,
        triplet: float,
        views: nn.Module | None = None,
    ):
        super().__init__()
        self.length = length
        self.triple = triple
        self.triplet = triplet
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        # of the merged, the source and the target sequence, in this order everywhere below
        self.encoder = nn.ModuleList(
            CausalEncoder(dim, length, blocks, heads, dropout) for _ in range(3)
        )
        self.attention = nn.ModuleList(FactAttention(dim) for _ in range(3))
        self.fuse = nn.Sequential(nn.Linear(3 * dim, dim), nn.LeakyReLU(), nn.Linear(dim, dim))
        self.project = nn.ModuleList(nn.Linear(dim, dim) for _ in range(3))
        xavier(self)
        self.log_scale = nn.Parameter(torch.tensor(COSINE_SCALE).log())
        self.views = views

    def report(self) -> dict:
        """Who wrote the texts that the model reads, if it reads any."""
        return self.views.report if self.views else {}

    def input_table(self) -> Tensor:
        """(n_items + 1, d) vectors that are read."""
        return self.views(self.item.weight) if self.views else self.item.weight

    def item_table(self) -> Tensor:
        """(n_items + 1, d) unit vectors times s."""
        return self.log_scale.exp() * F.normalize(self.input_table(), dim=-1)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """States of the merged (B, M, d), the source (B, S, d) and the target sequence (B, T, d)."""
        table = self.input_table()
        encode_mix, encode_source, encode_target = self.encoder
        return (
            encode_mix(F.embedding(batch.mix, table), batch.mix_age),
            encode_source(F.embedding(batch.src, table), batch.src_age),
            encode_target(F.embedding(batch.tgt, table), batch.tgt_age),
        )

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d) unit states that predict `batch.pos` at each target position."""
        return self.attend(batch, *self.encode(batch))

    def attend(self, batch: Batch, mix: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Triple cross-domain attention: unit vectors (B, T, d)."""
        mix_counts = torch.arange(1, mix.shape[1] + 1, device=mix.device)[:, None]
        running_mean = mix.cumsum(1) / mix_counts
        mean = at_pointers(running_mean, batch.mix_ptr)  # merged states up to the prediction
        steps = torch.arange(target.shape[1], device=target.device).expand(len(target), -1)
        own_ptr = torch.where(batch.real, steps, -1)
        over_mix, over_source, over_target = self.attention
        attended = [
            over_mix(target, mix, mean, batch.mix_ptr),
            over_source(target, source, mean, batch.src_ptr),
            over_target(target, target, mean, own_ptr),
        ]
        return F.normalize(self.fuse(torch.cat(attended, -1)), dim=-1)

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the triple contrastive loss."""
        mix, source, target = self.encode(batch)
        loss = self.views.contrast(self.item.weight) if self.views else table.new_zeros(())
        rows = (batch.src_n > 0).nonzero()[:, 0]
        if len(rows) > 1:
            last_states = (
                mix[rows, batch.mix_n[rows] - 1],
                source[rows, batch.src_n[rows] - 1],
                target[rows, batch.n[rows] - 1],
            )
            loss = loss + self.triple_loss(*last_states)
        return self.attend(batch, mix, source, target), loss

    def triple_loss(self, mix: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Contrastive and triplet loss of the last states of N users, (N, d) each."""
        project_mix, project_source, project_target = self.project
        mix = project_mix(mix)
        source = project_source(source)
        target = project_target(target)
        unit_mix = F.normalize(mix, dim=-1)
        unit_source = F.normalize(source, dim=-1)
        unit_target = F.normalize(target, dim=-1)
        contrast = nt_xent(unit_mix, unit_source, TAU)
        contrast = contrast + nt_xent(unit_mix, unit_target, TAU)
        contrast = contrast + nt_xent(unit_source, unit_target, TAU)
        hinge = F.triplet_margin_loss(source, mix, target, MARGIN)
        return self.triple * contrast / 3 + self.triplet * hinge


class FactAttention(nn.Module):
    """Attention of target states q over facts F: softmax(MLP[F; q; F ⊙ q; q - F; m̄]) F, MLP 5d-80-40-1 with PReLU.

    The first layer is split: all but its F ⊙ q part is computed once per fact and once per query.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.fact = nn.Linear(dim, 80)
        self.query = nn.Linear(dim, 80, bias=False)
        self.product = nn.Linear(dim, 80, bias=False)
        self.mean = nn.Linear(dim, 80, bias=False)
        self.inner = nn.Linear(80, 40)
        self.outer = nn.Linear(40, 1, bias=False)
        self.first = nn.PReLU()
        self.second = nn.PReLU()

    def forward(self, q: Tensor, facts: Tensor, mean: Tensor, pointer: Tensor) -> Tensor:
        """(B, T, d): queries (B, T, d) attend over facts (B, S, d) up to `pointer` (B, T); zeros where there is none.

        mean  (B, T, d) m̄, the mean merged state up to the prediction
        """
        mask = readable(pointer, facts.shape[1])  # (B, T, S)
        _, n_queries, n_facts = mask.shape
        pair = mask.flatten().nonzero()[:, 0]
        query_row = pair // n_facts
        fact_row = query_row // n_queries * n_facts + pair % n_facts
        flat = [
            q.flatten(0, 1),
            facts.flatten(0, 1),
            (self.query(q) + self.mean(mean)).flatten(0, 1),
            self.fact(facts).flatten(0, 1),
        ]
        scores = []
        query_parts = query_row.int().split(PAIRS)
        fact_parts = fact_row.int().split(PAIRS)
        for query_part, fact_part in zip(query_parts, fact_parts, strict=True):
            rows = (query_part, fact_part)
            if len(query_parts) > 1:
                scores.append(checkpoint(self.score, *flat, *rows, use_reentrant=False))
            else:
                scores.append(self.score(*flat, *rows))
        scores = facts.new_zeros(mask.shape).masked_scatter(mask, torch.cat(scores))
        return masked_softmax(scores, mask) @ facts

    def score(
        self,
        q: Tensor,
        facts: Tensor,
        by_query: Tensor,
        by_fact: Tensor,
        query_row: Tensor,
        fact_row: Tensor,
    ) -> Tensor:
        """(P,) scores of P pairs.

        q (B T, d), facts (B S, d), and their parts of the first layer by_query (B T, 80), by_fact (B S, 80)
        query_row, fact_row (P,)  the pairs as rows of those
        """
        product = F.embedding(query_row, q) * F.embedding(fact_row, facts)  # (P, d)
        hidden = self.product(product)
        hidden = hidden + F.embedding(query_row, by_query) + F.embedding(fact_row, by_fact)
        return self.outer(self.second(self.inner(self.first(hidden))))[:, 0]


@sequence_system
def tri_cdr(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    triple: float = 0.1,
    triplet: float = 0.1,
) -> TriCDR:
    """Tri-CDR without texts; `triple` weighs its contrastive, `triplet` its hinge loss."""
    return TriCDR(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        triple=triple,
        triplet=triplet,
    )
