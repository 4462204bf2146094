"""The shared encoder: user vectors with decay (Eq. 6-7) and LoRA with InfoNCE (Eq. 9).

Training itself is `reprolib.text.finetune`; the texts come from texts.py in training, index and serving alike.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.cache import cache_dir
from reprolib.papers.persona4rec.offline import Offline
from reprolib.text import Encoder, encode, finetune, load_encoder

BATCH = 16  # texts that a CPU's cache holds: larger batches are a sixth slower


@dataclass(frozen=True)
class PersonaEncoder:
    """An encoder with the loss of every training step (none: vanilla) and its number of trained parameters."""

    encoder: Encoder
    losses: tuple[float, ...] = ()
    parameters: int = 0
    cache: str | Path | None = field(default=None, repr=False)

    def encode(self, texts: list[str]) -> np.ndarray:
        """(n, d) float32 unit rows; each text is computed once in the life of the cache."""
        return encode(texts, self.encoder, cache=self.cache, batch_size=BATCH)


def vanilla(
    encoder: str = "minilm", *, max_tokens: int = 256, cache: str | Path | None = None
) -> PersonaEncoder:
    """The untrained encoder: PERSONA4REC (vanilla)."""
    return PersonaEncoder(load_encoder(encoder, max_tokens=max_tokens), cache=cache)


def fit_encoder(
    offline: Offline,
    pairs: pd.DataFrame,
    *,
    encoder: str = "minilm",
    r: int = 16,
    alpha: int = 32,
    dropout: float = 0.05,
    tau: float = 0.05,
    gamma: float = 0.65,
    history: int = 10,
    batch_size: int = 72,
    lr: float = 1e-5,
    epochs: int = 1,
    max_tokens: int = 256,
    seed: int = 0,
    device: str | None = None,
    cache: str | Path | None = None,
) -> PersonaEncoder:
    """The encoder with a LoRA adapter, trained so that a user's decayed history is nearest to the persona chosen.

    pairs  from `align`: the query is what the user did before (`earlier` events, the latest `history` of them), the
           positive the chosen persona. The batch's other personas are the negatives, but for those of the same user or
           item: other personas of the item are no clean negatives.
    Finished training is kept in the cache under a digest of everything that determines it.
    """
    queries, positives, groups = training_texts(offline, pairs, history)
    settings = {
        "decay": gamma,
        "rank": r,
        "alpha": alpha,
        "dropout": dropout,
        "epochs": epochs,
        "lr": lr,
        "batch_size": batch_size,
        "temperature": tau,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    told = repr((encoder, settings, queries, positives, groups)).encode("utf-8", "replace")
    out = cache_dir(cache) / "adapters" / hashlib.sha256(told).hexdigest()[:24]
    losses = finetune(
        queries,
        positives,
        out,
        encoder=encoder,
        groups=groups,
        device=device,
        chunk=BATCH,
        **settings,
    )
    adapted = load_encoder(encoder, adapter=out, max_tokens=max_tokens, device=device)
    return PersonaEncoder(adapted, tuple(losses), _adapter_size(out), cache)


def training_texts(offline: Offline, pairs: pd.DataFrame, history: int):
    """(queries, positives, groups) of the pairs: texts most recent first, the persona's text, (user, item) keys."""
    texts = offline.interactions["text"].to_numpy()
    persona = offline.personas.set_index(["item", "persona"])["text"]
    start, end = offline.before(pairs)
    queries = [
        texts[max(a, b - history) : b][::-1].tolist() for a, b in zip(start, end, strict=True)
    ]
    keys = list(pairs[["user", "item", "persona"]].itertuples(index=False, name=None))
    groups = [(f"user {user}", f"item {item}") for user, item, _ in keys]
    return queries, [persona[item, number] for _, item, number in keys], groups


def user_vectors(
    vectors: np.ndarray, user_ptr: np.ndarray, gamma: float = 0.65, history: int = 10
) -> np.ndarray:
    """(users, d) unit rows: the mean of a user's latest `history` interactions, weighted by gamma ** age (Eq. 6-7).

    vectors (n_interactions, d) by user and time; user_ptr (users + 1,), as from `Offline.user_ptr`.
    A user without interactions gets zeros: every persona scores 0, and the first stage decides.
    """
    from scipy.sparse import csr_array

    end = user_ptr[1:]
    start = np.maximum(user_ptr[:-1], end - history)
    ptr = np.concatenate([[0], np.cumsum(end - start)])
    at = np.arange(ptr[-1]) - np.repeat(ptr[:-1] - start, end - start)
    age = np.repeat(end, end - start) - 1 - at
    weights = np.float32(gamma) ** age.astype(np.float32)
    mean = csr_array((weights, at, ptr), shape=(len(start), len(vectors))) @ np.asarray(
        vectors, np.float32
    )
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.divide(mean, length, out=np.zeros_like(mean), where=length > 0)


def _adapter_size(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", "np") as tensors:
        return sum(int(np.prod(tensors.get_slice(name).get_shape())) for name in tensors.keys())  # noqa: SIM118
