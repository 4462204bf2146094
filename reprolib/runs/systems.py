"""Every system by name: how it is trained on a Split and how it scores. The grid (reprolib.runs.grid) knows no others.

A system is a function (split, seed, progress, **options) -> Trained. Its options are its keyword arguments, so an
unknown option is found before anything is trained.
"""

import difflib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from reprolib.baselines.generators import GENERATORS, bpr_mf
from reprolib.papers.persona4rec.systems import SYSTEMS as RERANKERS
from reprolib.training.sequential import SEQUENTIAL
from reprolib.training.trained import Trained

if TYPE_CHECKING:
    from reprolib.data.split import Split


def popularity(split: "Split", seed: int, progress: bool) -> Trained:
    """Most training events first; no parameters, no seed."""
    import torch

    from reprolib.baselines.popularity import popularity as counts

    items = counts(split)
    return Trained(
        lambda stage: (torch.ones(len(split.held_out(stage)[0]), 1), items), parameters=0
    )


SYSTEMS: dict[str, tuple[Callable[..., Trained], dict]] = {
    "Popularity": (popularity, {}),
    **{name: (function, {}) for name, function in GENERATORS.items()},
    "BPR-MF-both": (bpr_mf, {"domains": "all"}),
    **SEQUENTIAL,
    **RERANKERS,
}


def options_of(name: str) -> dict:
    """The system's options with their defaults. Raises ValueError on an unknown name, with the nearest one."""
    if name not in SYSTEMS:
        raise ValueError(f"{name!r} is no system{nearest(name, SYSTEMS)}")
    function, preset = SYSTEMS[name]
    defaults = {
        p.name: p.default
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
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
    """ " (did you mean X?)", or the list of what is known where nothing is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else f"; there are {', '.join(known) or 'none'}"
