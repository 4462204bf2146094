"""How models are trained: every option of the two trainings, with its default and its check, once.

Nothing heavy is imported here, so that options can be checked before anything else is.
"""

from dataclasses import dataclass

from reprolib.training.stopping import Stopping, check_whole

LOSSES = ("bce", "bpr", "ssm", "softmax")
PAIR_LOSSES = ("bpr", "bce", "infonce", "ssm")
LABEL_WEIGHTS = ("batch", "equal")
PRECISIONS = ("bf16", "fp32")
DECAYS = ("none", "linear", "cosine")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Options of the training of a sequence model.

    loss           "bce" (as SASRec) and "bpr" (as SemaCDR): one uniform negative per position; "ssm": softmax over
                   the positive and `negatives` items drawn uniformly and shared by the batch; "softmax": over all
                   items of the target
    epochs         upper limit
    patience       looks (validations, not epochs) without a better one after which training stops
    every          epochs between two looks
    minimum_steps  optimiser steps before which training never stops
    lr             learning rate of Adam
    weight_decay   of Adam
    batch_size     rows (users) of a step
    negatives      items of "ssm"
    precision      of "softmax": "bf16" or "fp32", see `full_softmax_loss`
    label_weights  "batch": each step is the mean over its labels, so that labels of short histories, which lie in
                   batches of few labels, weigh more; "equal": every label weighs alike, whatever its batch
    pool           batches that are shuffled together before they are sorted by length: 1 = rows in random order,
                   0 = all rows sorted (see `Batches.epoch`)
    id_std         standard deviation of item and user tables at the start; 0 = as the model has them (Xavier, which
                   shrinks as the catalogue grows)
    position_std   the same for tables of positions
    warmup_steps   steps in which the learning rate rises linearly from 0
    decay          "none", or "linear" or "cosine": the learning rate falls to 0 at the end of the limit of epochs
    clip           largest norm of the gradient
    device         "auto" takes a GPU where there is one
    Raises ValueError on a name that is unknown and on a number out of range.
    """

    loss: str = "bce"
    epochs: int = 200
    patience: int = 20
    every: int = 1
    minimum_steps: int = 0
    lr: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 256
    negatives: int = 512
    precision: str = "bf16"
    label_weights: str = "equal"
    pool: int = 8
    id_std: float = 0.05
    position_std: float = 0.02
    warmup_steps: int = 0
    decay: str = "none"
    clip: float = 5.0
    device: str = "auto"

    def __post_init__(self) -> None:
        _check_name("loss", self.loss, LOSSES)
        _check_name("precision", self.precision, PRECISIONS)
        _check_name("label_weights", self.label_weights, LABEL_WEIGHTS)
        _check_name("decay", self.decay, DECAYS)
        check_whole(batch_size=self.batch_size, negatives=self.negatives)
        check_whole(least=0, pool=self.pool, warmup_steps=self.warmup_steps)
        for name in ("id_std", "position_std"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; use 0 or a number above it")
        self.stopping()

    def stopping(self) -> Stopping:
        """A fresh stopping rule."""
        return Stopping(
            epochs=self.epochs,
            every=self.every,
            patience=self.patience,
            minimum_steps=self.minimum_steps,
        )


@dataclass(frozen=True, kw_only=True)
class PairRecipe:
    """Options of the training of a model that scores pairs.

    loss           "bpr", "bce", "infonce": each event against `negatives` items of its own, drawn uniformly from those
                   that the user has no training event with; "ssm": softmax over the positive and `negatives` items
                   drawn uniformly from all candidates and shared by the batch
    negatives      items
    tau            temperature of "infonce" and "ssm": scores are divided by it
    epochs         upper limit
    patience       looks (validations, not epochs) without a better one after which training stops
    every          epochs between two looks
    minimum_steps  optimiser steps before which training never stops
    lr             learning rate of Adam
    weight_decay   of Adam
    batch_size     events of a step
    device         "auto" takes a GPU where there is one
    Raises ValueError on a name that is unknown and on a number out of range.
    """

    loss: str = "bpr"
    negatives: int = 1
    tau: float = 1.0
    epochs: int = 200
    patience: int = 5
    every: int = 5
    minimum_steps: int = 0
    lr: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 2048
    device: str = "auto"

    def __post_init__(self) -> None:
        _check_name("loss", self.loss, PAIR_LOSSES)
        check_whole(batch_size=self.batch_size, negatives=self.negatives)
        if not self.tau > 0:
            raise ValueError(f"tau is {self.tau!r}; use a number above 0")
        self.stopping()

    def stopping(self) -> Stopping:
        """A fresh stopping rule."""
        return Stopping(
            epochs=self.epochs,
            every=self.every,
            patience=self.patience,
            minimum_steps=self.minimum_steps,
        )


def _check_name(option: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ValueError(f"{option} {name!r} is unknown; use one of {', '.join(known)}")
