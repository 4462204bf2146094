"""SPHERE over LightGCN, and LightGCN trained with the same loss, as systems."""

import numpy as np
import torch
from torch import Tensor

from reprolib.baselines.lightgcn import LightGCN
from reprolib.data.dataset import Dataset
from reprolib.papers.sphere.community import centred, community_personas
from reprolib.papers.sphere.model import Sphere
from reprolib.papers.sphere.personas import Personas, personas_of
from reprolib.training.pairs import pair_system

USER_VECTORS = ("csp", "intra", "dual", "random", "shuffled", "constant", "gaussian")


class LightGCNBackbone(LightGCN):
    """LightGCN as a `Backbone`: a pair's state is the product of its two vectors, place by place; its sum the score."""

    def pair_states(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, k) and states (B, k, d) of users (B,) with items (B, k)."""
        user_vectors, item_vectors = self.vectors()
        states = user_vectors[users][:, None] * item_vectors[items]
        return states.sum(-1), states


def user_vectors(
    dataset: Dataset, personas: Personas, kind: str, k: int, centre: bool, seed: int
) -> np.ndarray:
    """What the semantic tower knows of each user, (n_users, d) float32; zeros for users without a persona.

    kind    "csp", "random", "shuffled": see `community_personas`; "intra": the user's own persona; "dual": "csp" and
            "intra" side by side (our reading); "constant": ones; "gaussian": noise of the personas' spread
    k       source users in a community
    centre  whether each domain's mean is taken off its personas first (our reading)
    seed    of the random kinds
    Raises ValueError on an unknown kind, DataError where k exceeds the number of source personas.
    """
    if kind not in USER_VECTORS:
        raise ValueError(f"user_vector {kind!r} is unknown; use one of {', '.join(USER_VECTORS)}")
    source = centred(personas.source.vectors) if centre else personas.source.vectors
    own = centred(personas.target.vectors) if centre else personas.target.vectors
    rng = np.random.default_rng(seed)
    if kind == "intra":
        vectors = own
    elif kind == "dual":
        vectors = np.concatenate([community_personas(own, source, k, "csp", rng), own], 1)
    elif kind == "constant":
        vectors = np.ones_like(own)
    elif kind == "gaussian":
        vectors = rng.normal(0, own.std(), own.shape)
    else:
        vectors = community_personas(own, source, k, kind, rng)
    code = {str(user): place for place, user in enumerate(dataset.split.users)}
    table = np.zeros((dataset.split.n_users, vectors.shape[1]), np.float32)
    table[[code[user] for user in personas.target.users]] = vectors
    return table


@pair_system
def sphere_lightgcn(
    dataset: Dataset,
    *,
    user_vector: str = "csp",
    k: int = 10,
    centre: bool = True,
    dim: int = 64,
    layers: int = 3,
    reg: float = 1e-4,
    annotator: str = "embedded",
    n_traits: int = 10,
    encoder: str = "minilm",
) -> Sphere:
    """SPHERE over LightGCN. The options: see `user_vectors`, `personas_of` and `lightgcn`.

    What a control draws at random is drawn with the run's seed: the one that torch was seeded with last.
    """
    personas = personas_of(dataset, annotator, n_traits, encoder)
    users = user_vectors(dataset, personas, user_vector, k, centre, torch.initial_seed() % 2**31)
    backbone = LightGCNBackbone(dataset.split, dim=dim, layers=layers, reg=reg)
    return Sphere(backbone, torch.from_numpy(users), torch.from_numpy(personas.items), dim)


@pair_system
def lightgcn_infonce(
    dataset: Dataset, *, dim: int = 64, layers: int = 3, reg: float = 1e-4
) -> LightGCN:
    """LightGCN alone, for the same loss."""
    return LightGCN(dataset.split, dim=dim, layers=layers, reg=reg)
