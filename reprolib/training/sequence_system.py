"""A sequence model as a system: a builder with its own options, and the training of all sequence models."""

from collections.abc import Callable

from torch import Tensor, nn

from reprolib.data.dataset import Dataset
from reprolib.training.batches import Batches
from reprolib.training.built_system import BuiltSystem
from reprolib.training.fitted import Fitted, fitted_after
from reprolib.training.loop import encode, fit


def sequence_system(build: Callable[..., nn.Module]) -> BuiltSystem:
    """Decorator: the system of a function `(dataset, *, own options) -> SequenceModel`."""
    return BuiltSystem(build, train_model)


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
    precision: str = "bf16",
    weights: str = "batch",
    pool: int = 0,
    id_std: float = 0.0,
    position_std: float = 0.0,
    warmup_steps: int = 0,
    decay: str = "none",
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
        precision=precision,
        weights=weights,
        pool=pool,
        id_std=id_std,
        position_std=position_std,
        warmup_steps=warmup_steps,
        decay=decay,
        device=device,
    )

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
