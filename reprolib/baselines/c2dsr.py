"""C2DSR: single- and cross-domain sequences over item graphs, with an infomax term (Cao et al., CIKM 2022)."""

import torch
import torch.nn.functional as F
from scipy.sparse import eye
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.graph import Graph, by_row, transitions
from reprolib.nn.cross import at_pointers
from reprolib.nn.encoder import CausalEncoder, xavier
from reprolib.training.batches import Batch
from reprolib.training.losses import binary_loss, source_loss
from reprolib.training.sequence_system import sequence_system

SEQUENCES = ("target", "source", "mix")
LAMBDA = 0.7  # share of the prediction losses; the infomax term has the rest


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
        *,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        dropout: float,
        views: nn.Module | None = None,
    ):
        super().__init__()
        self.length = length
        self.items_of = {"target": split.candidates, "source": split.source_range}
        self.item = nn.ModuleDict({s: nn.Embedding(split.n_items + 1, dim) for s in SEQUENCES})
        self.head = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.encoder = nn.ModuleDict(
            {s: CausalEncoder(dim, length, blocks, heads, dropout) for s in SEQUENCES}
        )
        self.judge = nn.ModuleDict({s: nn.Linear(dim, dim, bias=False) for s in self.items_of})
        self.graph = nn.ModuleDict({s: smoothing(split, s) for s in SEQUENCES})
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
        vectors = self.item[sequence].weight
        if self.views:
            vectors = self.views(vectors)
        nodes, place = items.unique(return_inverse=True)
        return F.embedding(place, self.graph[sequence].rows(vectors, nodes))

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """States of the three sequences: (B, T, d), (B, S, d), (B, M, d)."""
        return {
            "target": self.encoder["target"](self.read("target", batch.tgt), batch.tgt_age),
            "source": self.encoder["source"](self.read("source", batch.src), batch.src_age),
            "mix": self.encoder["mix"](self.read("mix", batch.mix), batch.mix_age),
        }

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): the state that predicts `batch.pos` at each target position."""
        h = self.encode(batch)
        return h["target"] + at_pointers(h["mix"], batch.mix_ptr)

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and what the loss has besides the next item."""
        h = self.encode(batch)
        shared = at_pointers(h["mix"], batch.mix_ptr)
        loss = self.shared_loss(shared, batch, table)
        loss = loss + source_loss(h["source"], batch, table, self.items_of["source"])
        loss = loss + (1 - LAMBDA) / LAMBDA * self.infomax(batch, h)
        if self.views:
            loss = loss + self.views.contrast(self.item["mix"].weight)
        return h["target"] + shared, loss

    def shared_loss(self, shared: Tensor, batch: Batch, table: Tensor) -> Tensor:
        """`binary_loss` of the next target item from the merged states (B, T, d) alone, times `batch.label_weight`."""
        labels = batch.real & (batch.mix_ptr >= 0)
        positives = batch.pos[labels]
        first, last = self.items_of["target"]
        negatives = torch.randint(first, last + 1, positives.shape, device=positives.device)
        return batch.label_weight * binary_loss(shared[labels], table, positives, negatives)

    def infomax(self, batch: Batch, h: dict[str, Tensor]) -> Tensor:
        """Sum over both domains of the discriminator's cross-entropy."""
        steps = torch.arange(batch.mix.shape[1], device=batch.mix.device)
        exists = steps < batch.mix_n[:, None]
        of_source = self.discriminate(batch, h, "target", batch.n, exists & (batch.mix_dom == 0))
        of_target = self.discriminate(
            batch, h, "source", batch.src_n, exists & (batch.mix_dom == 1)
        )
        return of_source + of_target

    def discriminate(
        self, batch: Batch, h: dict[str, Tensor], own: str, n: Tensor, is_other: Tensor
    ) -> Tensor:
        """Cross-entropy of telling the merged sequence from one whose items of the other domain are random.

        own       the domain whose mean state is the query; n (B,) its events
        is_other  (B, M) which merged events are the other domain's
        """
        rows = (n > 0) & is_other.any(1)
        if not rows.any():
            return batch.mix.new_zeros((), dtype=h["mix"].dtype)
        other = "source" if own == "target" else "target"
        first, last = self.items_of[other]
        random_items = torch.randint_like(batch.mix, first, last + 1)
        corrupted_items = torch.where(is_other, random_items, batch.mix)
        corrupted = self.encoder["mix"](self.read("mix", corrupted_items), batch.mix_age)
        steps = torch.arange(h[own].shape[1], device=n.device)
        query = self.judge[own](_mean(h[own], steps < n[:, None]))
        of_real = (query * _mean(h["mix"], is_other)).sum(-1)[rows]
        of_corrupted = (query * _mean(corrupted, is_other)).sum(-1)[rows]
        return F.softplus(-of_real).mean() + F.softplus(of_corrupted).mean()


def smoothing(split: Split, sequence: str) -> Graph:
    """Ē + E = E + (E + Â E) / 2 as one matrix; Â: the mean over the items that follow in training."""
    return Graph(1.5 * eye(split.n_items + 1) + 0.5 * by_row(transitions(split, sequence)))


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """(B, d): mean of x (B, L, d) over the positions where `mask` (B, L) holds; zeros where there is none."""
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


@sequence_system
def c2dsr(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
) -> C2DSR:
    """C2DSR as published, without texts."""
    return C2DSR(dataset.split, dim=dim, length=length, blocks=blocks, heads=heads, dropout=dropout)
