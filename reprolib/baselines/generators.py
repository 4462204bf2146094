"""The generators: collaborative models without text, alone in a table or as the first stage of a reranker."""

from typing import TYPE_CHECKING

from reprolib.training.trained import Trained

if TYPE_CHECKING:
    from reprolib.data.split import Split


def bpr_mf(
    split: "Split",
    seed: int,
    progress: bool,
    *,
    dim: int = 64,
    epochs: int = 200,
    patience: int = 5,
    every: int = 5,
    lr: float = 0.05,
    reg: float = 0.01,
    domains: str = "target",
) -> Trained:
    """BPR-MF on the target's events, or on both domains' (`domains="all"`)."""
    import torch

    from reprolib.baselines.bpr_mf import fit_bpr

    factors = fit_bpr(
        split,
        dim=dim,
        epochs=epochs,
        patience=patience,
        every=every,
        lr=lr,
        reg=reg,
        domains=domains,
        seed=seed,
        progress=progress,
    )
    users, items = torch.from_numpy(factors.users), torch.from_numpy(factors.items)
    return Trained(
        lambda stage: (users[split.held_out(stage)[0]], items),
        users.numel() + items.numel(),
        factors.seconds,
        factors.history,
    )


def lightgcn(
    split: "Split",
    seed: int,
    progress: bool,
    *,
    dim: int = 64,
    layers: int = 3,
    epochs: int = 200,
    patience: int = 5,
    every: int = 5,
    lr: float = 5e-3,
    reg: float = 1e-4,
    batch_size: int = 2048,
) -> Trained:
    """LightGCN on the target's events."""
    from reprolib.baselines.lightgcn import fit_lightgcn

    fitted = fit_lightgcn(
        split,
        dim=dim,
        layers=layers,
        epochs=epochs,
        patience=patience,
        every=every,
        lr=lr,
        reg=reg,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
    )
    return Trained(
        lambda stage: (fitted.users[split.held_out(stage)[0]], fitted.items),
        fitted.users.numel() + fitted.items.numel(),
        fitted.seconds,
        fitted.history,
    )


GENERATORS = {"BPR-MF": bpr_mf, "LightGCN": lightgcn}  # those of PERSONA4REC's Table 4
