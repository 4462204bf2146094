"""A system made of a builder, which has options of its own, and a training, which is the same for many systems."""

import functools
import inspect
from collections.abc import Callable

from torch import nn

from reprolib.data.dataset import Dataset
from reprolib.training.fitted import Fitted
from reprolib.training.loop import seed_everything


class BuiltSystem:
    """A system: `system(dataset, seed, progress, **options)` builds a model, trains it and returns `Fitted`.

    build    (dataset, *, own options) -> the untrained model; `system.build` is this function
    train    (model, dataset, seed, progress, **training options) -> Fitted
    options  a function or class whose keyword-only parameters are the training's options and their defaults
    The system's options are those of both; `inspect.signature(system)` has them all, with their defaults.
    Raises ValueError where both have an option of the same name.
    """

    def __init__(
        self, build: Callable[..., nn.Module], train: Callable[..., Fitted], options: Callable
    ):
        functools.update_wrapper(self, build)
        self.build = build
        self.train = train
        own_options = _keyword_options(build)
        training_options = _keyword_options(options)
        self.own_names = {option.name for option in own_options}
        if twice := self.own_names & {option.name for option in training_options}:
            raise ValueError(f"{build.__name__}: {min(twice)} is an option of the training already")
        positional = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in ("dataset", "seed", "progress")
        ]
        self.__signature__ = inspect.Signature([*positional, *own_options, *training_options])

    def __call__(self, dataset: Dataset, seed: int, progress: bool, **options: object) -> Fitted:
        """Train a model on the data set. Raises TypeError on an unknown option."""
        self.__signature__.bind(dataset, seed, progress, **options)
        own = {name: value for name, value in options.items() if name in self.own_names}
        training = {name: value for name, value in options.items() if name not in self.own_names}
        seed_everything(seed)
        model = self.build(dataset, **own)
        return self.train(model, dataset, seed, progress, **training)


def _keyword_options(function: Callable) -> list[inspect.Parameter]:
    """The keyword-only parameters of a function or class."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
