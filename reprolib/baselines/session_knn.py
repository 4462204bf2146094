"""SessionKNN: what was in the training sessions most like the current one. A floor that needs no training."""

import numpy as np
import torch
from torch import Tensor

from reprolib.baselines.item_knn import recent_items
from reprolib.data.dataset import Dataset
from reprolib.graph import user_item
from reprolib.training.fitted import Fitted


def session_knn(
    dataset: Dataset, seed: int, progress: bool, *, length: int = 50, neighbours: int = 100
) -> Fitted:
    """Score of item j: Σ over the `neighbours` most similar training sessions v that hold j of sim(s, v).

    sim(s, v) = Σ over the latest `length` items i of s that stand in v of 1 / k (1 = the latest), over √|v|
    (V-SKNN of Ludewig and Jannach, UMUAI 2018; the weights 1 / k are those of ItemKNN here). A session is a user's
    training events of the target domain; a user's own session is no neighbour. No parameters, no seed.
    """
    split = dataset.split
    sessions = user_item(split, "target")
    sizes = np.maximum(np.asarray(sessions.sum(1)).ravel(), 1)

    def scores(stage: str):
        users, _ = split.held_out(stage)
        current = recent_items(split, stage, length)

        def block(a: int, b: int) -> Tensor:
            similarity = (current[a:b] @ sessions.T).toarray() / np.sqrt(sizes)
            similarity[np.arange(b - a), users[a:b]] = 0
            k = min(neighbours, similarity.shape[1])
            least = np.partition(similarity, -k, axis=1)[:, -k][:, None]
            nearest = np.where(similarity >= least, similarity, 0)
            return torch.from_numpy(nearest @ sessions).float()

        return block

    return Fitted(None, parameters=0, scores=scores)
