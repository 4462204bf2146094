"""The item semantics of SemaCDR as a module that any sequence model can take (section 3.4)."""

from reprolib.data.split import Split
from reprolib.papers.semacdr.semantics import semantics_of
from reprolib.papers.semacdr.views import VIEWS, Views


def plug_in(
    split: Split,
    dim: int,
    views: str,
    contrast: float,
    tau: float,
    annotator: str,
    categories: int,
    mixed: bool = True,
) -> Views | None:
    """Views of the split's items, or None where `views` is empty.

    views      "id+inn+agn" or a part of it;  contrast: λ;  categories: K;  annotator: a name for `open_llm`
    mixed      with the layer that brings the joined views back to `dim`
    Texts come from the split's data set, below $REPROLIB_DATA where it is a real one.
    """
    if not views:
        return None
    use = tuple(views.split("+"))
    if unknown := [name for name in use if name not in VIEWS]:
        raise ValueError(
            f"views: {unknown[0]!r} is no view of an item; use a part of {'+'.join(VIEWS)}"
        )
    if not split.source:
        raise ValueError(
            f"views: {split.name} has one domain; the categories are those that two domains share"
        )
    told = semantics_of(
        split.name, split.target, split.source, annotator=annotator, n_categories=categories
    )
    return Views(told, split.ranges, dim, use, contrast, tau, mixed=mixed)
