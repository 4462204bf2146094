"""Personas that only the generator of the miniature world knows: the positive control, never a system of its own."""

import numpy as np
import torch
from torch import Tensor

from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset


def true_personas(dataset: Dataset) -> Tensor:
    """(n_users, traits): the long-term persona θ of each user in the target domain.

    Raises DataError where the data set is no miniature world.
    """
    from reprolib.data.datasets import WORLD, world_folder
    from reprolib.data.world import read_truth

    if not dataset.name.startswith(WORLD):
        raise DataError(
            f"{dataset.name}: only a miniature world knows its users' true personas; leave out the oracle"
        )
    size = dataset.name.removeprefix(WORLD).partition("/")[0]
    users = read_truth(world_folder(size), "users").to_pandas()
    users = users[users["domain"] == dataset.split.target].set_index("user").drop(columns="domain")
    wanted = users.reindex(dataset.split.users.astype(str))
    return torch.from_numpy(np.ascontiguousarray(wanted.to_numpy(np.float32)))
