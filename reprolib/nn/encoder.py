"""Causal self-attention encoder, after SASRec (Kang and McAuley 2018, sections III-A to III-C), pre-norm."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def drop(x: Tensor, p: float) -> Tensor:
    """Dropout: zero each entry with probability p (rounded to 1/256 on a CPU) and rescale the rest.

    On a CPU `F.dropout` draws one random number per entry and takes a quarter of an epoch; here one draw serves eight.
    """
    if p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    dropped_of_256 = round(256 * p)
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    bytes_drawn = draws.view(torch.uint8)[: x.numel()].view(x.shape)
    is_kept = bytes_drawn >= dropped_of_256
    return x * (is_kept * (256 / (256 - dropped_of_256)))


def causal_attention(q: Tensor, k: Tensor, v: Tensor, p: float) -> Tensor:
    """softmax(q kᵀ / √d, each position up to itself) v with dropout p on the weights; (B, heads, L, d) each."""
    if q.device.type != "cpu" or p == 0:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
    length = q.shape[2]
    future = torch.ones(length, length, dtype=torch.bool).triu_(1)
    scores = q @ k.transpose(2, 3) * q.shape[3] ** -0.5
    weights = scores.masked_fill(future, -torch.inf).softmax(-1)
    return drop(weights, p) @ v


class Block(nn.Module):
    """Pre-norm attention, then a pre-norm two-layer network of the same width, both residual; keeps (B, L, d)."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm_attention = nn.LayerNorm(dim)
        self.norm_mlp = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.inner = nn.Linear(dim, dim)
        self.outer = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, d) to (B, L, d)."""
        B, L, D = x.shape
        p = self.dropout if self.training else 0.0
        qkv = self.qkv(self.norm_attention(x)).view(B, L, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, L, d / heads) each
        y = causal_attention(q, k, v, p)
        x = x + drop(self.out(y.transpose(1, 2).reshape(B, L, D)), p)
        hidden = drop(F.relu(self.inner(self.norm_mlp(x))), p)
        return x + drop(self.outer(hidden), p)


class CausalEncoder(nn.Module):
    """Item vectors (B, L, d), right-padded, to one state per position (B, L, d).

    A valid position never sees padding because padding stands to its right. Positions are counted back from the
    row's last event: `age` (B, L), 0 = latest, at most length - 1.
    """

    def __init__(self, dim: int, length: int, blocks: int, heads: int, dropout: float):
        super().__init__()
        self.position = nn.Embedding(length, dim)
        self.blocks = nn.Sequential(*(Block(dim, heads, dropout) for _ in range(blocks)))
        self.norm = nn.LayerNorm(dim)
        self.dropout = dropout
        self.scale = dim**0.5

    def forward(self, x: Tensor, age: Tensor) -> Tensor:
        """States (B, L, d) of item vectors x (B, L, d) whose ages are (B, L)."""
        x = self.scale * x + self.position(age)
        x = drop(x, self.dropout if self.training else 0.0)
        return self.norm(self.blocks(x))


def xavier(model: nn.Module) -> None:
    """Xavier-normal start for every matrix, as pmixer's SASRec has it, and zeros for padding; vectors keep theirs."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])
