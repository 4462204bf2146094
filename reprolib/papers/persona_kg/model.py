"""The persona-aware session model: SASRec over items with text, and a gate between session and persona."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.data.split import Split
from reprolib.nn.encoder import CausalEncoder, drop, xavier
from reprolib.papers.persona_kg.events import EventPlaces
from reprolib.training.batches import Batch

SESSION_FIRST = (
    2.0  # bias of the gate at the start: σ(2) = 0.88 of the session, a persona earns its share
)


class PersonaSession(nn.Module):
    """e_i = v_i + W_x x_i;  s = SASRec(e);  g = σ(W_g [s; W_z z]);  q = g ⊙ s + (1 - g) ⊙ W_z z;  y_i = q · e_i.

    The paper gives no equation: this is the sheet's section 3, step 5, our reading. So are the gate's start and the
    dropout on the persona, without which a model of few users learns users by heart.
    text     (n_items + 1, d₀) item vectors, or None for items by id alone
    after    (target events, d_p) persona after each event, or None for the session alone; neither is trained
    Parameters: (items + 1 + length) d + blocks (6 d² + 10 d) + 2 d, d₀ d with text, d_p d + 2 d² + d with personas.
    """

    parts = ("tgt",)

    def __init__(
        self,
        split: Split,
        *,
        text: Tensor | None,
        after: Tensor | None,
        dim: int,
        length: int,
        blocks: int,
        heads: int,
        dropout: float,
    ):
        super().__init__()
        self.length = length
        self.dropout = dropout
        self.item = nn.Embedding(split.n_items + 1, dim, padding_idx=0)
        self.encoder = CausalEncoder(dim, length, blocks, heads, dropout)
        self.from_text = nn.Linear(text.shape[1], dim, bias=False) if text is not None else None
        self.from_persona = None
        if after is not None:
            self.from_persona = nn.Linear(after.shape[1], dim, bias=False)
            self.gate = nn.Linear(2 * dim, dim)
            self.events = EventPlaces(split)
        xavier(self)
        if after is not None:
            nn.init.constant_(self.gate.bias, SESSION_FIRST)
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("after", after, persistent=False)
        self.notes: dict = {}

    def report(self) -> dict:
        """Who wrote the texts, and how the personas were learned."""
        return self.notes

    def item_table(self) -> Tensor:
        """(n_items + 1, d): e_i, read by the encoder and scored; row 0 stays zero."""
        if self.from_text is None:
            return self.item.weight
        return self.item.weight + self.from_text(self.text)

    def states(self, batch: Batch, table: Tensor) -> Tensor:
        """(B, T, d): q at each target position, from the session and the persona up to that position."""
        session = self.encoder(F.embedding(batch.tgt, table, padding_idx=0), batch.tgt_age)
        if self.from_persona is None:
            return session
        persona = drop(self.personas(batch), self.dropout if self.training else 0.0)
        return self.fuse(session, self.from_persona(persona))

    def personas(self, batch: Batch) -> Tensor:
        """(B, T, d_p): the user's persona after each event that the batch reads."""
        return self.after[self.events(batch)]

    def fuse(self, session: Tensor, persona: Tensor) -> Tensor:
        """g ⊙ s + (1 - g) ⊙ W_z z of session and persona (..., d)."""
        gate = self.gate(torch.cat([session, persona], -1)).sigmoid()
        return gate * session + (1 - gate) * persona
