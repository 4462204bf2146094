"""A sequence model as a system: a builder with its own options, plus training, which is the same for all of them."""

import functools
import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.training.batches import Batches
from reprolib.training.fitted import Fitted, fitted_after
from reprolib.training.loop import encode, fit, seed_everything


class SequenceSystem:
    """A system made of `build(dataset, **own) -> model`, the untrained model.

    `system(dataset, seed, progress, **options)` trains it and returns `Fitted`. Its options are those of `build` and
    those of `train_model`; `inspect.signature(system)` has both, with their defaults.
    """

    def __init__(self, build: Callable[..., nn.Module]):
        functools.update_wrapper(self, build)
        self.build = build
        own = _options(build)
        training = _options(train_model)
        self.own_options = tuple(option.name for option in own)
        positional = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in ("dataset", "seed", "progress")
        ]
        self.__signature__ = inspect.Signature([*positional, *own, *training])

    def __call__(self, dataset: Dataset, seed: int, progress: bool, **options: object) -> Fitted:
        self.__signature__.bind(
            dataset, seed, progress, **options
        )  # TypeError on an unknown option
        own = {name: value for name, value in options.items() if name in self.own_options}
        training = {name: value for name, value in options.items() if name not in own}
        seed_everything(seed)
        model = self.build(dataset, **own)
        return train_model(model, dataset, seed, progress, **training)


def sequence_system(build: Callable[..., nn.Module]) -> SequenceSystem:
    """Decorator: make a system of a function that builds a sequence model."""
    return SequenceSystem(build)


def _options(function: Callable) -> list[inspect.Parameter]:
    """The keyword-only parameters of a function."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def train_model(
    model: nn.Module,
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    loss: str = "bce",
    epochs: int = 200,
    patience: int = 20,
    every: int = 1,
    minimum_steps: int = 0,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    batch_size: int = 256,
    negatives: int = 512,
    device: str = "auto",
) -> Fitted:
    """Train any model with the interface of `reprolib.training.loop.SequenceModel`; options as for `fit`."""
    result = fit(
        model,
        dataset.split,
        seed=seed,
        progress=progress,
        loss=loss,
        epochs=epochs,
        patience=patience,
        every=every,
        minimum_steps=minimum_steps,
        lr=lr,
        weight_decay=weight_decay,
        batch_size=batch_size,
        negatives=negatives,
        device=device,
    )

    def vectors(stage: str) -> tuple[Tensor, Tensor]:
        where: torch.device = next(model.parameters()).device
        batches = Batches(dataset.split, stage, model.length, model.parts, where)
        queries, items = encode(model, batches)
        return queries.cpu(), items.cpu()

    return fitted_after(
        result.training,
        vectors=vectors,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        report=model.report() if hasattr(model, "report") else {},
    )
