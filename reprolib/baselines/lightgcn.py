"""LightGCN: linear propagation on the user-item graph, trained with BPR (He et al., SIGIR 2020)."""

import torch
from scipy import sparse
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.graph import Graph, symmetric, user_item
from reprolib.training.fitted import Fitted
from reprolib.training.loop import seed_everything
from reprolib.training.pairs import train_pairs


class LightGCN(nn.Module):
    """E^(k+1) = D^-1/2 A D^-1/2 E^(k), E = mean of E^(0)..E^(K); A has the training events of the target only.

    Parameters: (users + items + 1) d.
    """

    def __init__(self, split: Split, *, dim: int, layers: int, reg: float):
        super().__init__()
        self.reg = reg
        self.n_users = split.n_users
        self.layers = layers
        edges = user_item(split, "target")
        adjacency = sparse.bmat([[None, edges], [edges.T, None]], format="csr")
        self.graph = Graph(symmetric(adjacency))
        self.ego = nn.Parameter(0.1 * torch.randn(split.n_users + split.n_items + 1, dim))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Propagated users (n_users, d) and items (n_items + 1, d)."""
        state = self.ego
        total = self.ego
        for _ in range(self.layers):
            state = self.graph(state)
            total = total + state
        total = total / (self.layers + 1)
        return total[: self.n_users], total[self.n_users :]

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """(B, k): e_u · e_i of users (B,) and items (B, k)."""
        user_vectors, item_vectors = self.vectors()
        return (user_vectors[users][:, None] * item_vectors[items]).sum(-1)

    def own_loss(self, users: Tensor, items: Tensor) -> Tensor:
        """reg/2 |ego rows of the batch|² / batch; users (B,), items (B, 1 + n)."""
        rows = torch.cat([users, self.n_users + items.T.flatten()])
        return self.reg * self.ego[rows].pow(2).sum() / (2 * len(users))


def lightgcn(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    dim: int = 64,
    layers: int = 3,
    epochs: int = 200,
    patience: int = 5,
    every: int = 5,
    minimum_steps: int = 0,
    lr: float = 5e-3,
    reg: float = 1e-4,
    batch_size: int = 2048,
    device: str = "auto",
) -> Fitted:
    """LightGCN on the target's events: -ln σ(e_u·e_i - e_u·e_j) + reg/2 |ego rows of the batch|² / batch.

    One uniform unseen j per event.
    layers  K
    lr      five times the published 1e-3, for fewer epochs
    reg     as published
    The other options, and what is raised, as for `train_pairs`.
    """
    seed_everything(seed)
    model = LightGCN(dataset.split, dim=dim, layers=layers, reg=reg)
    return train_pairs(
        model,
        dataset,
        seed,
        progress,
        loss="bpr",
        negatives=1,
        epochs=epochs,
        patience=patience,
        every=every,
        minimum_steps=minimum_steps,
        lr=lr,
        batch_size=batch_size,
        device=device,
    )
