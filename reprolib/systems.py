"""Every system by name: how it is trained on a Split and how it scores. The grid (reprolib.experiment) knows no others.

A system is a function (split, seed, progress, **options) -> Trained. Its options are its keyword arguments, so an
unknown option is found before anything is trained.
"""

import difflib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from reprolib.persona4rec.systems import SYSTEMS as RERANKERS
from reprolib.sequential import SEQUENTIAL
from reprolib.trained import Trained

if TYPE_CHECKING:
    from reprolib.data.split import Split


def popularity(split: "Split", seed: int, progress: bool) -> Trained:
    """Most training events first; no parameters, no seed."""
    import torch

    from reprolib.baselines.popularity import popularity as counts

    items = counts(split)
    return Trained(lambda stage: (torch.ones(len(split.held_out(stage)[0]), 1), items), parameters=0)


def bpr_mf(split: "Split", seed: int, progress: bool, *, dim: int = 64, epochs: int = 200, patience: int = 5,
           every: int = 5, lr: float = 0.05, reg: float = 0.01, domains: str = "target") -> Trained:
    """BPR-MF on the target's events, or on both domains' (`domains="all"`)."""
    import torch

    from reprolib.baselines.bpr_mf import fit_bpr

    factors = fit_bpr(split, dim=dim, epochs=epochs, patience=patience, every=every, lr=lr, reg=reg, domains=domains,
                      seed=seed, progress=progress)
    users, items = torch.from_numpy(factors.users), torch.from_numpy(factors.items)
    return Trained(lambda stage: (users[split.held_out(stage)[0]], items), users.numel() + items.numel(),
                   factors.seconds, factors.history)


def lightgcn(split: "Split", seed: int, progress: bool, *, dim: int = 64, layers: int = 3, epochs: int = 200,
             patience: int = 5, every: int = 5, lr: float = 5e-3, reg: float = 1e-4, batch_size: int = 2048) -> Trained:
    """LightGCN on the target's events."""
    from reprolib.baselines.lightgcn import fit_lightgcn

    fitted = fit_lightgcn(split, dim=dim, layers=layers, epochs=epochs, patience=patience, every=every, lr=lr, reg=reg,
                          batch_size=batch_size, seed=seed, progress=progress)
    return Trained(lambda stage: (fitted.users[split.held_out(stage)[0]], fitted.items),
                   fitted.users.numel() + fitted.items.numel(), fitted.seconds, fitted.history)


SYSTEMS: dict[str, tuple[Callable[..., Trained], dict]] = {
    "Popularity": (popularity, {}),
    "BPR-MF": (bpr_mf, {}),
    "BPR-MF-both": (bpr_mf, {"domains": "all"}),
    "LightGCN": (lightgcn, {}),
    **SEQUENTIAL,
    **RERANKERS,
}


def options_of(name: str) -> dict:
    """The system's options with their defaults. Raises ValueError on an unknown name, with the nearest one."""
    if name not in SYSTEMS:
        raise ValueError(f"{name!r} is no system{nearest(name, SYSTEMS)}")
    function, preset = SYSTEMS[name]
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()
                if p.kind is p.KEYWORD_ONLY}
    return defaults | preset


def train(name: str, split: "Split", seed: int = 0, progress: bool = True, **options) -> Trained:
    """Train the named system. Raises ValueError on an unknown system or option, with the nearest valid name."""
    known = options_of(name)
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}{nearest(option, known)}")
    function, preset = SYSTEMS[name]
    return function(split, seed, progress, **preset | options)


def nearest(word: str, known) -> str:
    """" (did you mean X?)", or the list of what is known where nothing is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else f"; there are {', '.join(known) or 'none'}"
