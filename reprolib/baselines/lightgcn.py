"""LightGCN: linear propagation on the user-item graph, trained with BPR (He et al., SIGIR 2020)."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.data.split import Split
from reprolib.graph import Graph, symmetric, user_item
from reprolib.training.batches import Negatives
from reprolib.training.fitted import Fitted, fitted_after
from reprolib.training.loop import BestState, pick_device, seed_everything
from reprolib.training.stopping import Stopping, check_whole, run_epochs
from reprolib.training.validation import Validation


class LightGCN(nn.Module):
    """E^(k+1) = D^-1/2 A D^-1/2 E^(k), E = mean of E^(0)..E^(K); A has the training events of the target only.

    `forward()` gives users (n_users, d) and items (n_items + 1, d). Parameters: (users + items + 1) d.
    """

    def __init__(self, split: Split, *, dim: int, layers: int):
        super().__init__()
        self.n_users = split.n_users
        self.layers = layers
        edges = user_item(split, "target")
        adjacency = sparse.bmat([[None, edges], [edges.T, None]], format="csr")
        self.graph = Graph(symmetric(adjacency))
        self.ego = nn.Parameter(0.1 * torch.randn(split.n_users + split.n_items + 1, dim))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Propagated users (n_users, d) and items (n_items + 1, d)."""
        state = self.ego
        total = self.ego
        for _ in range(self.layers):
            state = self.graph(state)
            total = total + state
        total = total / (self.layers + 1)
        return total[: self.n_users], total[self.n_users :]


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
    layers      K
    epochs, every, patience, minimum_steps  upper limit, epochs between two looks, looks without a better one, and
                optimiser steps before which training never stops
    lr          five times the published 1e-3, for fewer epochs
    reg         as published
    batch_size  events of a step
    Raises ValueError on a number out of range and on a loss that is not finite.
    """
    check_whole(batch_size=batch_size)
    stopping = Stopping(epochs=epochs, every=every, patience=patience, minimum_steps=minimum_steps)
    split = dataset.split
    rng = seed_everything(seed)
    model = LightGCN(split, dim=dim, layers=layers).to(pick_device(device))
    optimiser = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    pairs = split.train_pairs()
    sampler = Negatives(split)
    validation = Validation(split)
    best = BestState(model)

    def validate() -> float:
        users, items = vectors_of(model)
        return validation.ndcg_of_vectors(users[validation.users], items)

    training = run_epochs(
        "LightGCN",
        stopping,
        train_epoch=lambda: train_epoch(model, optimiser, pairs, sampler, batch_size, reg, rng),
        validate=validate,
        keep_best=best.keep,
        progress=progress,
    )
    best.restore()
    users, items = vectors_of(model)
    return fitted_after(
        training,
        vectors=lambda stage: (users[split.held_out(stage)[0]], items),
        parameters=users.numel() + items.numel(),
    )


def train_epoch(
    model: LightGCN,
    optimiser: torch.optim.Optimizer,
    pairs: tuple[np.ndarray, np.ndarray],
    sampler: Negatives,
    batch_size: int,
    reg: float,
    rng: np.random.Generator,
) -> tuple[float, int]:
    """One pass over all training events in random order; the mean BPR loss of its steps, and their number.

    pairs  users and items of the training events, (events,) each
    """
    order = rng.permutation(len(pairs[0]))
    user = pairs[0][order]
    item = pairs[1][order]
    negative = sampler.draw(user, rng)
    triples = torch.from_numpy(np.stack([user, item, negative])).to(model.ego.device)
    losses = []
    for u, i, j in (part.unbind() for part in triples.split(batch_size, dim=1)):
        users, items = model()
        loss = F.softplus((users[u] * (items[j] - items[i])).sum(-1)).mean()
        rows = torch.cat([u, model.n_users + i, model.n_users + j])
        penalty = model.ego[rows].pow(2).sum() / (2 * len(u))
        optimiser.zero_grad(set_to_none=True)
        (loss + reg * penalty).backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses)), len(losses)


@torch.no_grad()
def vectors_of(model: LightGCN) -> tuple[Tensor, Tensor]:
    """Propagated users (n_users, d) and items (n_items + 1, d), on the CPU."""
    users, items = model()
    return users.cpu(), items.cpu()
