"""SPHERE's two towers and its gate. The forms of tower and gate are our reading: they are not published."""

from typing import Protocol

import torch
from torch import Tensor, nn


class Backbone(Protocol):
    """What SPHERE needs of a collaborative `nn.Module`."""

    def pair_states(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, k) and states (B, k, d) of users (B,) with items (B, k)."""
        ...

    def own_loss(self, users: Tensor, items: Tensor) -> Tensor:
        """The backbone's penalty on the batch: users (B,), items (B, 1 + n)."""
        ...


class SemanticTower(nn.Module):
    """h = MLP([W_c c; W_t t; W_c c * W_t t]) of a user's community vector c and an item's text vector t."""

    def __init__(self, user_dim: int, item_dim: int, dim: int):
        super().__init__()
        self.user = nn.Linear(user_dim, dim, bias=False)
        self.item = nn.Linear(item_dim, dim, bias=False)
        self.network = nn.Sequential(
            nn.Linear(3 * dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim), nn.ReLU()
        )

    def forward(self, user_vectors: Tensor, item_vectors: Tensor) -> Tensor:
        """(B, k, dim) of user vectors (B, user_dim) and item vectors (B, k, item_dim)."""
        item = self.item(item_vectors)
        user = self.user(user_vectors)[:, None].expand_as(item)
        return self.network(torch.cat([user, item, user * item], -1))


class Sphere(nn.Module):
    """y = y_CF + tanh(w_g · [h_CF; h_S] + b_g) w_S · h_S: the gate is learned per pair and may be negative.

    backbone  a Backbone whose states have `dim` places
    users     (n_users, user_dim) frozen community vectors
    items     (n_items + 1, item_dim) frozen text vectors
    """

    def __init__(self, backbone: nn.Module, users: Tensor, items: Tensor, dim: int):
        super().__init__()
        self.backbone = backbone
        self.register_buffer("user_vectors", users)
        self.register_buffer("item_vectors", items)
        self.tower = SemanticTower(users.shape[1], items.shape[1], dim)
        self.semantic_score = nn.Linear(dim, 1, bias=False)
        self.gate = nn.Linear(2 * dim, 1)

    def parts(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Collaborative score, gate and semantic score, each (B, k), of users (B,) and items (B, k)."""
        collaborative, state = self.backbone.pair_states(users, items)
        semantic_state = self.tower(self.user_vectors[users], self.item_vectors[items])
        gate = torch.tanh(self.gate(torch.cat([state, semantic_state], -1)))[..., 0]
        return collaborative, gate, self.semantic_score(semantic_state)[..., 0]

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """(B, k) scores of users (B,) with items (B, k)."""
        collaborative, gate, semantic = self.parts(users, items)
        return collaborative + gate * semantic

    def own_loss(self, users: Tensor, items: Tensor) -> Tensor:
        """The backbone's own penalty on the batch."""
        return self.backbone.own_loss(users, items)
