"""Item vectors: the text of the paper's task, encoded, and reduced by principal components."""

import numpy as np
import torch
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.llm import complete_many, open_llm
from reprolib.llm.inputs import items_by_code
from reprolib.papers.persona_kg.tasks import TASKS
from reprolib.text import encode

ITEM_TEXT = TASKS[0]


def item_vectors(dataset: Dataset, annotator: str, encoder: str, dim: int) -> Tensor:
    """(n_items + 1, d₀ <= dim): principal components of the encoded item texts, row 0 zero. Metadata only are read.

    annotator, encoder  names for `open_llm` and `load_encoder`; answers and vectors are cached
    """
    domains = dataset.item_texts["domain"]
    items = items_by_code(dataset)
    questions = [{"item": item, "domain": domains[code]} for code, item in items.items()]
    answers = complete_many(ITEM_TEXT, questions, open_llm(annotator), progress=False)
    vectors = encode([answer.text for answer in answers], encoder, progress=False)
    components = reduced(torch.from_numpy(vectors), dim)
    return torch.cat([torch.zeros(1, components.shape[1]), components])


def reduced(vectors: Tensor, dim: int) -> Tensor:
    """(n, min(dim, width)): principal components of vectors (n, width), scaled to entries of deviation 1 on average.

    The sign of a component is such that its largest loading is positive: the same input gives the same result.
    """
    centred = (vectors - vectors.mean(0)).double().numpy()
    covariance = centred.T @ centred / len(centred)
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :dim]
    largest = np.abs(axes).argmax(0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    components = centred @ axes
    scale = np.sqrt((components**2).mean()) or 1.0
    return torch.from_numpy((components / scale).astype(np.float32))
