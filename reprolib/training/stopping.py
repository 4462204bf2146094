"""When to look at validation, when to end training, and the record of both. One rule for every training loop."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

PATIENCE, LIMIT, INTERRUPTED = "patience", "limit", "interrupted"  # why training ended


@dataclass
class Training:
    """The record of one training.

    steps      optimiser steps
    looks      validations
    best_look  number of the best validation, counted from 1; 0 where there was none
    ended      "patience", "limit" (of epochs), "interrupted" (Ctrl-C), or "" of a system that is not trained
    seconds    wall time, validations included
    history    one row per epoch: epoch, steps and seconds so far, loss (where the loop knows it), and NDCG@10 after
               epochs that were followed by a look
    """

    steps: int = 0
    looks: int = 0
    best_look: int = 0
    ended: str = ""
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)


class Stopping:
    """Training ends after `patience` looks without a better one, but never before `minimum_steps` optimiser steps.

    epochs         upper limit
    every          epochs between two looks; the last epoch is always followed by one
    patience       looks (not epochs)
    minimum_steps  optimiser steps before which patience does not count as run out
    Raises ValueError on a number that is no whole number or too small.
    """

    def __init__(self, *, epochs: int, every: int = 1, patience: int = 20, minimum_steps: int = 0):
        check_whole(epochs=epochs, every=every, patience=patience)
        check_whole(least=0, minimum_steps=minimum_steps)
        self.epochs = epochs
        self.every = every
        self.patience = patience
        self.minimum_steps = minimum_steps
        self.steps = 0
        self.looks = 0
        self.best_look = 0
        self.best_value = -np.inf
        self.ended = ""

    def epoch_numbers(self) -> Iterator[int]:
        """1, 2, ... until patience has run out or the limit is reached; then `ended` says which."""
        for epoch in range(1, self.epochs + 1):
            yield epoch
            if self.ended:
                return
        self.ended = LIMIT

    def is_look_due(self, epoch: int) -> bool:
        """Is this epoch followed by a look?"""
        return epoch % self.every == 0 or epoch == self.epochs

    def look(self, value: float) -> bool:
        """Count a look with this validation value; True if it is the best so far."""
        self.looks += 1
        is_best = value > self.best_value
        if is_best:
            self.best_value = value
            self.best_look = self.looks
        has_run_out = self.looks - self.best_look >= self.patience
        if has_run_out and self.steps >= self.minimum_steps:
            self.ended = PATIENCE
        return is_best


def run_epochs(
    name: str,
    stopping: Stopping,
    *,
    train_epoch: Callable[[], tuple[float | None, int]],
    validate: Callable[[], float],
    keep_best: Callable[[], None],
    progress: bool,
) -> Training:
    """Train epoch after epoch until `stopping` says enough, with a progress bar.

    name         of the model, for the bar and for errors
    train_epoch  trains one epoch; returns its mean loss (None where the loop does not know it) and its steps
    validate     NDCG@10 on the validation events
    keep_best    called after each look that is the best so far, to store the weights
    Ctrl-C ends training early (`ended` is "interrupted"). Raises ValueError on a loss that is not finite.
    """
    from tqdm.auto import tqdm

    training = Training()
    started = time.perf_counter()
    bar = tqdm(total=stopping.epochs, desc=name, unit="epoch", disable=not progress, leave=False)
    try:
        for epoch in stopping.epoch_numbers():
            loss, steps = train_epoch()
            if loss is not None and not np.isfinite(loss):
                raise ValueError(f"fit: the loss of {name} is {loss} in epoch {epoch}; lower lr")
            stopping.steps += steps
            row = {"epoch": epoch, "steps": stopping.steps}
            if loss is not None:
                row["loss"] = loss
            if stopping.is_look_due(epoch):
                row["NDCG@10"] = validate()
                if stopping.look(row["NDCG@10"]):
                    keep_best()
            row["seconds"] = time.perf_counter() - started
            training.history.append(row)
            bar.update()
            if stopping.looks:
                bar.set_postfix(best=f"{stopping.best_value:.4f}", refresh=False)
    except KeyboardInterrupt:
        stopping.ended = INTERRUPTED
    finally:
        bar.close()
    training.steps = stopping.steps
    training.looks = stopping.looks
    training.best_look = stopping.best_look
    training.ended = stopping.ended
    training.seconds = time.perf_counter() - started
    return training


def check_whole(*, least: int = 1, **numbers: int) -> None:
    """Raise ValueError, naming the option, on a number that is no whole number of at least `least`."""
    for name, number in numbers.items():
        is_whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not is_whole or number < least:
            raise ValueError(f"{name} is {number!r}; use a whole number of at least {least}")
