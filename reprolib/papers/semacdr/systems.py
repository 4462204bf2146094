"""Systems of SemaCDR's tables that read its semantics: the model itself, and two baselines with its plug-in."""

from reprolib.baselines.c2dsr import C2DSR
from reprolib.baselines.tri_cdr import TriCDR
from reprolib.data.dataset import Dataset
from reprolib.papers.semacdr.model import SemaCDR
from reprolib.papers.semacdr.plugin import plug_in
from reprolib.training.sequence_system import sequence_system


@sequence_system
def semacdr(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    views: str = "id+inn+agn",
    annotator: str = "embedded",
    categories: int = 8,
    contrast: float = 0.1,
    tau: float = 0.07,
    item_graph: str = "co-interaction",
    shared: int = 1,
    residual: bool = False,
    cross: bool = True,
    fusion: str = "learned",
    score: str = "id",
    lr_semantic: float = 3e-4,
) -> SemaCDR:
    """SemaCDR; every ablation of its Table 3 is one of these options.

    views, annotator, categories, contrast, tau  as for `plug_in`
    item_graph, shared, residual, cross, fusion, score, lr_semantic  as for `SemaCDR`
    """
    item_views = plug_in(dataset, dim, views, contrast, tau, annotator, categories, mixed=False)
    return SemaCDR(
        dataset.split,
        item_views,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        item_graph=item_graph,
        shared=shared,
        residual=residual,
        cross=cross,
        fusion=fusion,
        score=score,
        lr_semantic=lr_semantic,
    )


@sequence_system
def c2dsr_with_semantics(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    views: str = "id+inn+agn",
    annotator: str = "embedded",
    categories: int = 8,
    contrast: float = 0.15,
    tau: float = 0.07,
) -> C2DSR:
    """C2DSR with the plug-in of section 3.4 and its contrastive weight for this base."""
    item_views = plug_in(dataset, dim, views, contrast, tau, annotator, categories)
    return C2DSR(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        views=item_views,
    )


@sequence_system
def tri_cdr_with_semantics(
    dataset: Dataset,
    *,
    dim: int = 64,
    length: int = 50,
    blocks: int = 2,
    heads: int = 1,
    dropout: float = 0.2,
    triple: float = 0.1,
    triplet: float = 0.1,
    views: str = "id+inn+agn",
    annotator: str = "embedded",
    categories: int = 8,
    contrast: float = 1.0,
    tau: float = 0.2,
) -> TriCDR:
    """Tri-CDR with the plug-in of section 3.4 and its contrastive weight for this base."""
    item_views = plug_in(dataset, dim, views, contrast, tau, annotator, categories)
    return TriCDR(
        dataset.split,
        dim=dim,
        length=length,
        blocks=blocks,
        heads=heads,
        dropout=dropout,
        triple=triple,
        triplet=triplet,
        views=item_views,
    )
