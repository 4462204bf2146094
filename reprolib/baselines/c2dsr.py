"""C2DSR: single- and cross-domain sequences over item graphs, with an infomax term (Cao et al., CIKM 2022)."""

import torch
import torch.nn.functional as F
from scipy.sparse import eye
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.graph import Graph, by_row, transitions
from reprolib.nn.cross import at
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import binary_loss, source_loss

SEQUENCES = ("target", "source", "mix")


class C2DSR(nn.Module):
    """Three id tables, smoothed over the transitions of their sequences, and three encoders h^T, h^S, h (merged).

    Input of each encoder: Ē + E with Ē the mean of E and its propagation. Score of target item i: W_i · (h + h^T).
    Loss: λ (next item + next item from h alone + next source item from h^S) + (1 - λ) infomax, divided by λ so that
    the first term has weight 1. Infomax: a bilinear discriminator tells whether the mean of one domain's states
    belongs to the merged sequence or to one whose other-domain items were replaced at random.
    Ours differs from the code: the loss is the trainer's (not a softmax over all items and padding), the source's own
    loss has no merged state, padding is never attended.
    views  the plug-in of SemaCDR section 3.4: `views(E)` puts text views beside an id table, `views.contrast(E)` is
           their contrastive loss; None = the published model
    Parameters: 4 (items + 1) d + 3 encoders + 2 d².
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
        weight: float = 0.7,
        views: nn.Module | None = None,
    ):
        super().__init__()
        self.length, self.weight = length, weight
        self.domains = {"target": split.candidates, "source": split.ranges[split.source]}
        self.item = nn.ModuleDict({s: nn.Embedding(split.n_items + 1, dim) for s in SEQUENCES})
        self.head = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.encoder = nn.ModuleDict(
            {s: CausalEncoder(dim, length, blocks, heads, dropout) for s in SEQUENCES}
        )
        self.judge = nn.ModuleDict(
            {s: nn.Linear(dim, dim, bias=False) for s in ("target", "source")}
        )
        # Ē + E = E + (E + Â E) / 2 as one matrix
        self.graph = nn.ModuleDict(
            {
                s: Graph(1.5 * eye(split.n_items + 1) + 0.5 * by_row(transitions(split, s)))
                for s in SEQUENCES
            }
        )
        xavier(self)
        self.views = views

    def report(self) -> dict:
        """Who wrote the texts that the model reads, if it reads any."""
        return self.views.report if self.views else {}

    def item_table(self) -> Tensor:
        """(n_items + 1, d) output weights W."""
        return self.head.weight

    def read(self, sequence: str, items: Tensor) -> Tensor:
        """(B, L, d): Ē + E of the item codes (B, L), from one of the three tables."""
        e = self.item[sequence].weight
        nodes, place = items.unique(return_inverse=True)
        return F.embedding(
            place, self.graph[sequence].rows(self.views(e) if self.views else e, nodes)
        )

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """States of the three sequences: (B, T, d), (B, S, d), (B, M, d)."""
        given = {
            "target": (batch.tgt, batch.tgt_age),
            "source": (batch.src, batch.src_age),
            "mix": (batch.mix, batch.mix_age),
        }
        return {s: self.encoder[s](self.read(s, items), age) for s, (items, age) in given.items()}

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        h = self.encode(batch)
        return h["target"] + at(h["mix"], batch.mix_ptr)

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and what the loss has besides the next item."""
        h = self.encode(batch)
        shared = at(h["mix"], batch.mix_ptr)
        where = batch.real & (batch.mix_ptr >= 0)
        positive = batch.pos[where]
        negative = torch.randint(
            self.domains["target"][0],
            self.domains["target"][1] + 1,
            positive.shape,
            device=positive.device,
        )
        loss = binary_loss(shared[where], table, positive, negative)
        loss = loss + source_loss(h["source"], batch, table, self.domains["source"])
        loss = loss + (1 - self.weight) / self.weight * self.infomax(batch, h)
        if self.views:
            loss = loss + self.views.contrast(self.item["mix"].weight)
        return h["target"] + shared, loss

    def infomax(self, batch: Batch, h: dict[str, Tensor]) -> Tensor:
        """Sum over both domains of the discriminator's cross-entropy."""
        loss = 0.0
        exists = torch.arange(batch.mix.shape[1], device=batch.mix.device) < batch.mix_n[:, None]
        for own, other, n, is_other in (
            ("target", "source", batch.n, exists & (batch.mix_dom == 0)),
            ("source", "target", batch.src_n, exists & (batch.mix_dom == 1)),
        ):
            rows = (n > 0) & is_other.any(1)
            if not rows.any():
                continue
            first, last = self.domains[other]
            wrong = torch.where(is_other, torch.randint_like(batch.mix, first, last + 1), batch.mix)
            corrupted = self.encoder["mix"](self.read("mix", wrong), batch.mix_age)
            mean = self.judge[own](
                _mean(h[own], torch.arange(h[own].shape[1], device=n.device) < n[:, None])
            )
            right, false = (
                (mean * _mean(x, is_other)).sum(-1)[rows] for x in (h["mix"], corrupted)
            )
            loss = loss + F.softplus(-right).mean() + F.softplus(false).mean()
        return loss


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
