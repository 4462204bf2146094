"""A sequence model as a system: a builder with its own options, and the training of all sequence models."""

from collections.abc import Callable

from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.training.batches import Batches
from reprolib.training.built_system import BuiltSystem
from reprolib.training.fitted import Fitted, fitted_after
from reprolib.training.loop import encode, fit
from reprolib.training.recipe import Recipe


def sequence_system(build: Callable[..., nn.Module]) -> BuiltSystem:
    """Decorator: the system of a function `(dataset, *, own options) -> SequenceModel`."""
    return BuiltSystem(build, train_model, Recipe)


def train_model(
    model: nn.Module, dataset: Dataset, seed: int, progress: bool, **options: object
) -> Fitted:
    """Train any SequenceModel (see `reprolib.training.loop`); options are those of `Recipe`."""
    result = fit(model, dataset.split, seed=seed, progress=progress, **options)

    def vectors(stage: str) -> tuple[Tensor, Tensor]:
        where = next(model.parameters()).device
        batches = Batches(dataset.split, stage, model.length, model.parts, where)
        queries, items = encode(model, batches)
        return queries.cpu(), items.cpu()

    return fitted_after(
        result.training,
        vectors=vectors,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        report=model.report() if hasattr(model, "report") else {},
    )
