"""Tri-CDR: triple cross-domain attention and triple contrastive learning (Ma et al., ACM TOIS 2024)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from reprolib.data.split import Split
from reprolib.nn.cross import at, masked_softmax, readable
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import nt_xent

TEMPERATURE, TAU = 5.0, 0.1  # of the cosine score; of NT-Xent
PAIRS = (
    2**14
)  # (target, fact) pairs that the attention computes at a time; keeps every buffer small


class TriCDR(nn.Module):
    """Three encoders; each target state attends over the states of all three; score = 5 cos(fused, item).

    Loss: + `contrast` NT-Xent over the three pairs of last states + `triplet` hinge with source as anchor, merged as
    positive, target as negative (`margin`). Only states at or before the pointers of the Batch are facts.
    Ours differs from the code: trained from a random start (there: from three trained SASRecs), early stopping on
    validation (there: test), and one cosine in training and test.
    views  the plug-in of SemaCDR section 3.4, see `C2DSR`
    Parameters: (items + 1) d + 3 encoders + 3 attention networks (5 d 80 + 80 40 + 162) + 4 d² + 2 d + 3 (d² + d).
    """

    parts = ("tgt", "src", "mix")

    def __init__(
        self,
        split: Split,
        dim: int = 64,
        length: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.2,
        contrast: float = 0.1,
        triplet: float = 0.1,
        margin: float = 4.0,
        views: nn.Module | None = None,
    ):
        super().__init__()
        self.length, self.contrast, self.triplet, self.margin = length, contrast, triplet, margin
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.encoder = nn.ModuleList(
            CausalEncoder(dim, length, blocks, heads, dropout) for _ in range(3)
        )
        self.attention = nn.ModuleList(Facts(dim) for _ in range(3))
        self.fuse = nn.Sequential(nn.Linear(3 * dim, dim), nn.LeakyReLU(), nn.Linear(dim, dim))
        self.project = nn.ModuleList(nn.Linear(dim, dim) for _ in range(3))
        xavier(self)
        self.views = views

    def report(self) -> dict:
        """Who wrote the texts that the model reads, if it reads any."""
        return self.views.report if self.views else {}

    def reader(self) -> Tensor:
        """(n_items + 1, d) vectors that are read."""
        return self.views(self.item.weight) if self.views else self.item.weight

    def item_table(self) -> Tensor:
        """(n_items + 1, d) unit vectors times 5."""
        return TEMPERATURE * F.normalize(self.reader(), dim=-1)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """States of the merged, source and target sequences."""
        table = self.reader()
        given = ((batch.mix, batch.mix_age), (batch.src, batch.src_age), (batch.tgt, batch.tgt_age))
        return tuple(
            e(F.embedding(x, table), age) for e, (x, age) in zip(self.encoder, given, strict=True)
        )

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d) unit states that predict `batch.pos` at each target position."""
        return self.attended(batch, *self.encode(batch))

    def attended(self, batch: Batch, mix: Tensor, src: Tensor, tgt: Tensor) -> Tensor:
        """Triple cross-domain attention: unit vectors (B, T, d)."""
        steps = torch.arange(tgt.shape[1], device=tgt.device).expand(len(tgt), -1)
        so_far = mix.cumsum(1) / torch.arange(1, mix.shape[1] + 1, device=mix.device)[:, None]
        mean = at(so_far, batch.mix_ptr)  # the mean merged state up to the prediction
        pointers = (batch.mix_ptr, batch.src_ptr, torch.where(batch.real, steps, -1))
        told = [
            a(tgt, f, mean, p)
            for a, f, p in zip(self.attention, (mix, src, tgt), pointers, strict=True)
        ]
        return F.normalize(self.fuse(torch.cat(told, -1)), dim=-1)

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the triple contrastive loss."""
        sequences = self.encode(batch)
        rows = (batch.src_n > 0).nonzero()[:, 0]
        loss = self.views.contrast(self.item.weight) if self.views else table.new_zeros(())
        if len(rows) > 1:
            last = [
                x[rows, n[rows] - 1]
                for x, n in zip(sequences, (batch.mix_n, batch.src_n, batch.n), strict=True)
            ]
            mix, src, tgt = (p(x) for p, x in zip(self.project, last, strict=True))
            unit = [F.normalize(x, dim=-1) for x in (mix, src, tgt)]
            pairs = ((0, 1), (0, 2), (1, 2))
            loss = loss + self.contrast * sum(nt_xent(unit[a], unit[b], TAU) for a, b in pairs) / 3
            loss = loss + self.triplet * F.triplet_margin_loss(src, mix, tgt, self.margin)
        return self.attended(batch, *sequences), loss


class Facts(nn.Module):
    """Attention of target states q over facts F: softmax(MLP[F; q; F ⊙ q; q - F; m̄]) F, MLP 5d-80-40-1 with PReLU.

    The first layer is split: all but its F ⊙ q part is computed once per fact and once per query.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.fact, self.query, self.product, self.mean = (
            nn.Linear(dim, 80, bias=i == 0) for i in range(4)
        )
        self.inner, self.outer = nn.Linear(80, 40), nn.Linear(40, 1, bias=False)
        self.first, self.second = nn.PReLU(), nn.PReLU()

    def forward(self, q: Tensor, facts: Tensor, mean: Tensor, pointer: Tensor) -> Tensor:
        """(B, T, d): q (B, T, d) over facts (B, S, d) up to `pointer` (B, T); zeros where there is none."""
        mask = readable(pointer, facts.shape[1])
        by_query, by_fact = self.query(q) + self.mean(mean), self.fact(facts)
        pair = mask.flatten().nonzero()[:, 0]
        at_query = (pair // mask.shape[2]).int()
        at_fact = (pair // mask[0].numel() * mask.shape[2] + pair % mask.shape[2]).int()
        flat = [x.flatten(0, 1) for x in (q, facts, by_query, by_fact)]
        parts = [
            checkpoint(self.score, *flat, a, b, use_reentrant=False)
            if len(at_query) > PAIRS
            else self.score(*flat, a, b)
            for a, b in zip(at_query.split(PAIRS), at_fact.split(PAIRS), strict=True)
        ]
        scores = facts.new_zeros(mask.shape).masked_scatter(mask, torch.cat(parts))
        return masked_softmax(scores, mask) @ facts

    def score(self, q, facts, by_query, by_fact, at_query, at_fact) -> Tensor:
        """(P,) scores of the pairs (query row, fact row)."""
        pair = F.embedding(at_query, q) * F.embedding(at_fact, facts)  # (P, d)
        hidden = (
            self.product(pair) + F.embedding(at_query, by_query) + F.embedding(at_fact, by_fact)
        )
        return self.outer(self.second(self.inner(self.first(hidden))))[:, 0]
