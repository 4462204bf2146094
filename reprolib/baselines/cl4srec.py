"""CL4SRec: SASRec with a contrastive task between two views of a sequence (Xie et al., ICDE 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.baselines.sasrec import SASRec
from reprolib.training.batches import Batch
from reprolib.training.losses import nt_xent

CROP, MASK, REORDER = (
    0.6,
    0.5,
    0.2,
)  # share of the sequence that is kept, masked, shuffled (η, γ, β)


class CL4SRec(SASRec):
    """SASRec plus `weight` times NT-Xent between the last states of two augmented views of each target sequence.

    Each view is cropped, masked or reordered at random; sequences of fewer than three events have no views. A masked
    item has a vector of its own, not that of padding. Parameters: SASRec's + d.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        length: int = 50,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.5,
        weight: float = 0.1,
        tau: float = 1.0,
    ):
        super().__init__(n_items, dim, length, blocks, heads, dropout)
        self.masked = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.weight, self.tau = weight, tau

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the weighted contrastive loss."""
        rows = (batch.n >= 3).nonzero()[:, 0]
        states = self.states(batch, table)
        if len(rows) < 2:
            return states, states.sum() * 0
        views = [self.view(batch.tgt[rows], batch.n[rows], table) for _ in range(2)]
        return states, self.weight * nt_xent(*views, self.tau)

    def view(self, items: Tensor, n: Tensor, table: Tensor) -> Tensor:
        """(B, d): the last state of one random view of each row of `items` (B, T) with `n` (B,) events."""
        order, n, masked = augment(n, items.shape[1])
        x = F.embedding(items.gather(1, order), table, padding_idx=0)
        x = torch.where(masked[..., None], self.masked, x)
        age = (n[:, None] - 1 - torch.arange(items.shape[1], device=n.device)).clamp(min=0)
        return self.encoder(x, age)[torch.arange(len(n), device=n.device), n - 1]


def augment(n: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """One random operation per row: (positions to read (B, size), new lengths (B,), masked positions (B, size))."""
    steps = torch.arange(size, device=n.device).expand(len(n), -1)
    operation = torch.randint(3, (len(n), 1), device=n.device)
    crop, shuffle, hide = (
        (share * n).long().clamp(min=1)[:, None] for share in (CROP, REORDER, MASK)
    )
    first = (torch.rand(len(n), 1, device=n.device) * (n[:, None] - crop + 1)).long()
    cropped = (first + steps).clamp(max=size - 1)
    shuffle = shuffle.clamp(min=2)
    first = (torch.rand(len(n), 1, device=n.device) * (n[:, None] - shuffle + 1)).long()
    inside = (steps >= first) & (steps < first + shuffle)
    drawn = first + torch.rand(len(n), size, device=n.device) * shuffle
    reordered = torch.where(inside, drawn, steps.float()).argsort(1)
    lottery = torch.rand(len(n), size, device=n.device).masked_fill(steps >= n[:, None], 2.0)
    masked = lottery.argsort(1).argsort(1) < hide
    order = torch.where(operation == 0, cropped, torch.where(operation == 1, reordered, steps))
    return order, torch.where(operation == 0, crop, n[:, None])[:, 0], masked & (operation == 2)
