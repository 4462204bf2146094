"""A linear residual head on the frozen encoder: what a CPU trains to the end where an adapter takes days.

Our addition, not the paper's, which tunes the encoder with LoRA (`encoder.fit_encoder`). The loss is the paper's
(Eq. 9), the pairs are the same; h(x) = x + W x, scaled to unit length, is read in place of the text vector x, of users'
events and of personas alike. W starts at zero, so that training starts at the vanilla encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reprolib.papers.persona4rec.encoder import PersonaEncoder, training_texts
from reprolib.papers.persona4rec.offline import Offline
from reprolib.text import Encoder
from reprolib.text.finetune import contrastive_loss
from reprolib.training.stopping import Stopping, Training, run_epochs


@dataclass(frozen=True)
class HeadEncoder:
    """A frozen encoder with a trained head.

    base      the frozen encoder; each of its vectors is asked for once
    weight    (d, d) W
    gamma     decay of older events with which it was trained
    training  how its training went
    """

    base: PersonaEncoder
    weight: np.ndarray
    gamma: float
    training: Training
    known: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def encoder(self) -> Encoder:
        """The frozen encoder."""
        return self.base.encoder

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        return self.weight.size

    @property
    def losses(self) -> tuple[float, ...]:
        """Mean loss of each epoch."""
        return tuple(row["loss"] for row in self.training.history)

    @property
    def best_value(self) -> float:
        """Validation at the best look."""
        return max(row["NDCG@10"] for row in self.training.history if "NDCG@10" in row)

    def encode(self, texts: list[str]) -> np.ndarray:
        """(n, d) float32 unit rows."""
        vectors = encoded_once(self.base, texts, self.known)
        moved = vectors + vectors @ self.weight.T
        return moved / np.linalg.norm(moved, axis=1, keepdims=True).clip(1e-12)


def encoded_once(
    base: PersonaEncoder, texts: list[str], known: dict[str, np.ndarray]
) -> np.ndarray:
    """(n, d) vectors of the texts; those of `known` are not asked for, the others are added to it."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, base.encode(new), strict=True))
    return np.stack([known[text] for text in texts])


def fit_head(
    offline: Offline,
    pairs: pd.DataFrame,
    base: PersonaEncoder,
    validate: Callable[[HeadEncoder], float],
    *,
    gamma: float = 0.65,
    tau: float = 0.05,
    history: int = 10,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    batch_size: int = 72,
    epochs: int = 200,
    patience: int = 10,
    seed: int = 0,
    progress: bool = True,
    known: dict[str, np.ndarray] | None = None,
) -> HeadEncoder:
    """Train the head until validation has not risen for `patience` epochs, and keep the best one.

    pairs     from `align`, as for `fit_encoder`; gamma, tau, history of Eq. 6 and 9
    validate  the quality of a head on validation events, higher is better; the untrained head is looked at first
    known     text vectors of `base` that were asked for before; it is added to
    Raises ValueError where there are fewer than two pairs.
    """
    import torch

    if len(pairs) < 2:
        raise ValueError(f"fit_head: {len(pairs)} pairs; a contrast needs at least two")
    known = {} if known is None else known
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    batches = _PairBatches(offline, pairs, base, history, gamma, known)
    weight = torch.zeros(batches.width, batches.width, requires_grad=True)
    optimiser = torch.optim.AdamW([weight], lr=lr, weight_decay=weight_decay)
    best = {"weight": weight.detach().numpy().copy()}

    def head() -> HeadEncoder:
        return HeadEncoder(base, weight.detach().numpy().copy(), gamma, Training(), known)

    def train_epoch() -> tuple[float, int]:
        losses = []
        for rows in batches.epoch(batch_size, rng):
            loss = batches.loss(rows, weight, tau)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses)), len(losses)

    stopping = Stopping(epochs=epochs, patience=patience)
    before = {"epoch": 0, "loss": batches.mean_loss(weight, tau), "NDCG@10": validate(head())}
    stopping.best_value = before["NDCG@10"]
    training = run_epochs(
        "head",
        stopping,
        train_epoch=train_epoch,
        validate=lambda: validate(head()),
        keep_best=lambda: best.update(weight=weight.detach().numpy().copy()),
        progress=progress,
    )
    training.history.insert(0, before)
    return HeadEncoder(base, best["weight"], gamma, training, known)


def best_head(
    offline: Offline,
    pairs: pd.DataFrame,
    base: PersonaEncoder,
    validate: Callable[[HeadEncoder], float],
    *,
    gammas: tuple[float, ...],
    taus: tuple[float, ...],
    **options: object,
) -> tuple[HeadEncoder, float]:
    """The head with the decay and the temperature that are best on validation, and that temperature.

    options  those of `fit_head`
    """
    known: dict[str, np.ndarray] = {}
    found = [
        (fit_head(offline, pairs, base, validate, gamma=g, tau=t, known=known, **options), t)
        for g in gammas
        for t in taus
    ]
    return max(found, key=lambda one: one[0].best_value)


class _PairBatches:
    """Aligned pairs as tensors: vectors of what a query reads and of the positive, and who may be contrasted."""

    def __init__(
        self,
        offline: Offline,
        pairs: pd.DataFrame,
        base: PersonaEncoder,
        history: int,
        gamma: float,
        known: dict[str, np.ndarray],
    ):
        import torch

        queries, positives, _ = training_texts(offline, pairs, history)
        texts = list(dict.fromkeys([text for query in queries for text in query] + positives))
        place = {text: number for number, text in enumerate(texts)}
        self.vectors = torch.from_numpy(encoded_once(base, texts, known))
        self.width = self.vectors.shape[1]
        longest = max(map(len, queries))
        self.read = torch.zeros(len(pairs), longest, dtype=torch.long)
        self.weights = torch.zeros(len(pairs), longest)
        for row, query in enumerate(queries):
            self.read[row, : len(query)] = torch.tensor([place[text] for text in query])
            self.weights[row, : len(query)] = gamma ** torch.arange(len(query))
        self.positive = torch.tensor([place[text] for text in positives])
        self.user = torch.from_numpy(pairs["user"].to_numpy(np.int64))
        self.item = torch.from_numpy(pairs["item"].to_numpy(np.int64))

    def epoch(self, batch_size: int, rng: np.random.Generator):
        """Row numbers of an epoch's batches; a last batch of one pair has no contrast and is left out."""
        import torch

        order = torch.from_numpy(rng.permutation(len(self.positive)))
        return [rows for rows in order.split(batch_size) if len(rows) > 1]

    def loss(self, rows, weight, tau: float):
        """Eq. 9 of the pairs `rows` (B,) with the head's weight (d, d)."""
        from torch.nn import functional as F

        read, positive = self.read[rows], self.positive[rows]
        texts, place = _different(read, positive)
        moved = _moved(self.vectors[texts], weight)  # each text of the batch once
        of_read = place[: read.numel()].view_as(read)
        summed = F.embedding_bag(of_read, moved, mode="sum", per_sample_weights=self.weights[rows])
        queries = F.normalize(summed, dim=-1)  # Eq. 6 and 7
        personas = F.embedding(place[read.numel() :], moved)
        other_user = self.user[rows][:, None] != self.user[rows]
        other_item = self.item[rows][:, None] != self.item[rows]
        return contrastive_loss(queries, personas, tau, other_user & other_item)

    def mean_loss(self, weight, tau: float, batch_size: int = 72) -> float:
        """Mean loss over the pairs in their order, without a step."""
        import torch

        with torch.no_grad():
            batches = torch.arange(len(self.positive)).split(batch_size)
            return float(torch.stack([self.loss(rows, weight, tau) for rows in batches]).mean())


def _different(read, positive):
    """The different texts of a batch, and the place of each entry of read (B, H) and positive (B,) among them."""
    import torch

    return torch.cat([read.flatten(), positive]).unique(return_inverse=True)


def _moved(vectors, weight):
    """Unit rows of x + W x, for vectors (..., d)."""
    from torch.nn.functional import normalize

    return normalize(vectors + vectors @ weight.T, dim=-1)
