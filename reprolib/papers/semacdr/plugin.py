"""The item semantics of SemaCDR as a module that any sequence model can take (section 3.4)."""

from reprolib.data.dataset import Dataset
from reprolib.papers.semacdr.semantics import semantics_of
from reprolib.papers.semacdr.views import VIEWS, Views


def plug_in(
    dataset: Dataset,
    dim: int,
    views: str,
    contrast: float,
    tau: float,
    annotator: str,
    categories: int,
    mixed: bool = True,
) -> Views | None:
    """Views of the data set's items, or None where `views` is empty.

    views      "id+inn+agn" or a part of it;  contrast: λ;  categories: K;  annotator: a name for `open_llm`
    mixed      with the layer that brings the joined views back to `dim`
    Raises ValueError on an unknown view, and where there is one domain only.
    """
    if not views:
        return None
    use = tuple(views.split("+"))
    if unknown := [name for name in use if name not in VIEWS]:
        raise ValueError(
            f"views: {unknown[0]!r} is no view of an item; use a part of {'+'.join(VIEWS)}"
        )
    split = dataset.split
    if not split.source:
        raise ValueError(
            f"views: {split.name} has one domain; the categories are those that two domains share"
        )
    semantics = None
    if use != ("id",):
        semantics = semantics_of(dataset, annotator=annotator, n_categories=categories)
    return Views(
        semantics,
        split.ranges,
        dim=dim,
        use=use,
        weight=contrast,
        tau=tau,
        mixed=mixed,
    )
