"""CL4SRec: SASRec with a contrastive task between two views of a sequence (Xie et al., ICDE 2022)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.baselines.sasrec import SASRec
from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.training.batches import Batch
from reprolib.training.losses import nt_xent
from reprolib.training.sequence_system import sequence_system

CROPPED = 0.6  # η: share of the sequence that cropping keeps
MASKED = 0.5  # γ: share that masking hides
SHUFFLED = 0.2  # β: share that reordering shuffles
TAU = 1.0  # temperature of the contrastive loss


class CL4SRec(SASRec):
    """SASRec plus `contrast` times NT-Xent between the last states of two augmented views of each target sequence.

    Each view is cropped, masked or reordered at random; sequences of fewer than three events have no views. A masked
    item has a vector of its own, not that of padding. Parameters: SASRec's + d.
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
        contrast: float,
    ):
        super().__init__(
            split,
            dim=dim,
            length=length,
            blocks=blocks,
            heads=heads,
            dropout=dropout,
            reads="tgt",
        )
        self.masked = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.contrast = contrast

    def training_step(self, batch: Batch, table: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, T, d) and the weighted contrastive loss."""
        rows = (batch.n >= 3).nonzero()[:, 0]
        states = self.states(batch, table)
        if len(rows) < 2:
            return states, states.sum() * 0
        one = self.view(batch.tgt[rows], batch.n[rows], table)
        two = self.view(batch.tgt[rows], batch.n[rows], table)
        return states, self.contrast * nt_xent(one, two, TAU)

    def view(self, items: Tensor, n: Tensor, table: Tensor) -> Tensor:
        """(B, d): the last state of one random view of each row of `items` (B, T) with `n` (B,) events."""
        order, n, masked = augment(n, items.shape[1])
        x = F.embedding(items.gather(1, order), table, padding_idx=0)
        x = torch.where(masked[..., None], self.masked, x)
        steps = torch.arange(items.shape[1], device=n.device)
        age = (n[:, None] - 1 - steps).clamp(min=0)
        return self.encoder(x, age)[torch.arange(len(n), device=n.device), n - 1]


def augment(n: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """One random operation per row: cropping, masking or reordering.

    n (B,)  events of each row, out of `size` positions
    Returns the positions to read (B, size), the new numbers of events (B,) and which positions are masked (B, size).
    """
    device = n.device
    steps = torch.arange(size, device=device).expand(len(n), -1)
    operation = torch.randint(3, (len(n), 1), device=device)  # 0 crop, 1 reorder, 2 mask

    crop_size = _share_of(CROPPED, n)
    crop_start = (torch.rand(len(n), 1, device=device) * (n[:, None] - crop_size + 1)).long()
    cropped = (crop_start + steps).clamp(max=size - 1)

    shuffle_size = _share_of(SHUFFLED, n).clamp(min=2)
    shuffle_start = (torch.rand(len(n), 1, device=device) * (n[:, None] - shuffle_size + 1)).long()
    inside = (steps >= shuffle_start) & (steps < shuffle_start + shuffle_size)
    drawn = shuffle_start + torch.rand(len(n), size, device=device) * shuffle_size
    reordered = torch.where(inside, drawn, steps.float()).argsort(1)

    lottery = torch.rand(len(n), size, device=device).masked_fill(steps >= n[:, None], 2.0)
    masked = lottery.argsort(1).argsort(1) < _share_of(MASKED, n)

    order = torch.where(operation == 0, cropped, torch.where(operation == 1, reordered, steps))
    new_n = torch.where(operation == 0, crop_size, n[:, None])[:, 0]
    return order, new_n, masked & (operation == 2)


def _share_of(share: float, n: Tensor) -> Tensor:
    """(B, 1) numbers of events, at least one."""
    return (share * n).long().clamp(min=1)[:, None]


@sequence_system
def cl4srec(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    contrast: float = 0.1,
) -> CL4SRec:
    """CL4SRec: SASRec and `contrast` times a contrastive loss."""
    return CL4SRec(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        contrast=contrast,
    )
