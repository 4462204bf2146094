"""Ablations and settings of SemaCDR by the names that tables and claims use, as options of the system."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reprolib.data.split import Split
    from reprolib.papers.semacdr.model import SemaCDR

ABLATIONS: dict[str, dict] = {  # Table 3
    "SemaCDR": {},
    "SemaCDR w/o InnSem": {"views": "id+agn"},
    "SemaCDR w/o DomAgnSem": {"views": "id+inn"},
    "SemaCDR w/o InnDomAgnSem": {"views": "id"},
    "SemaCDR SimpGraph": {"item_graph": "sequential"},
    "SemaCDR w/o CDBehav": {"cross": False},
    "SemaCDR AvgFusion": {"fusion": "average"},
    "SemaCDR w/o ConReg": {"contrast": 0.0},
}


KNOBS = {
    "K": ("categories", int),
    "lambda": ("contrast", float),
    "lr_semantic": ("lr_semantic", float),
    "lr_general": ("lr", float),
}  # Figure 5


def knobs(names: list[str]) -> dict[str, dict]:
    """{"SemaCDR K=4": {"categories": 4}, ...} of ["K:4", "lambda:0.1", "lr_semantic:3e-4", "lr_general:1e-3"].

    The labels are those of the claims. Raises ValueError that names the one that does not read so.
    """
    changes = {}
    for name in names:
        knob, _, value = name.partition(":")
        try:
            option, kind = KNOBS[knob]
            changes[f"SemaCDR {knob}={value}"] = {option: kind(value)}
        except (KeyError, ValueError):
            raise ValueError(
                f"knob {name!r} does not read; right would be one of {', '.join(KNOBS)} "
                "with a number, for example K:4"
            ) from None
    return changes


def trained_model(split: "Split", seed: int, **options) -> "SemaCDR":
    """The trained model itself, in eval mode, for a look inside; `options` as for the system."""
    import inspect

    from reprolib.runs.systems import options_of
    from reprolib.training.loop import fit, seed_everything
    from reprolib.training.sequential import semacdr

    own = {
        p
        for p, v in inspect.signature(inspect.unwrap(semacdr)).parameters.items()
        if v.kind is v.KEYWORD_ONLY
    }
    given = options_of("SemaCDR") | options
    seed_everything(seed)
    model = inspect.unwrap(semacdr)(split, **{k: v for k, v in given.items() if k in own})
    rest = {k: v for k, v in given.items() if k not in own}
    return fit(model, split, seed=seed, progress=False, **rest).model.cpu()


def prepare(pairs: list[str], annotator: str) -> list[int]:
    """Annotate each pair once, with all cores, so that the processes of a grid only read; the items of each.

    pairs  "DATASET DIRECTION ..." as in `reprolib.runs.search.chosen_runs`
    """
    from reprolib.papers.semacdr.semantics import semantics_of
    from reprolib.runs.systems import options_of

    categories = options_of("SemaCDR")["categories"]
    named = [(name, *direction.split("->")[::-1]) for name, direction, *_ in map(str.split, pairs)]
    # asked for exactly as the plug-in asks, so that what is in memory already is found
    return [
        len(semantics_of(*pair, annotator=annotator, n_categories=categories).summary) - 1
        for pair in named
    ]
