"""Sequence models as systems: what each one is built from. Training, options and ranking are the same for all."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from reprolib.data.split import Split
    from reprolib.training.trained import Trained


def sequence_system(build: "Callable[..., nn.Module]") -> "Callable[..., Trained]":
    """A system from `build(split, **own) -> model`: its options are those of `build` and those of training."""
    own = [p for p in inspect.signature(build).parameters.values() if p.kind is p.KEYWORD_ONLY]
    training = [
        p for p in inspect.signature(train_model).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    names = {p.name for p in own}

    @functools.wraps(build)
    def system(split: "Split", seed: int, progress: bool, **options) -> "Trained":
        from reprolib.training.loop import seed_everything

        seed_everything(seed)
        model = build(split, **{k: v for k, v in options.items() if k in names})
        rest = {k: v for k, v in options.items() if k not in names}
        return train_model(model, split, seed, progress, **rest)

    system.__signature__ = inspect.Signature([*own, *training])
    return system


def train_model(
    model: "nn.Module",
    split: "Split",
    seed: int,
    progress: bool,
    *,
    loss: str = "bce",
    epochs: int = 200,
    patience: int = 20,
    every: int = 1,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    batch_size: int = 256,
    negatives: int = 512,
    device: str = "auto",
) -> "Trained":
    """Train any model of reprolib.training.loop's interface and wrap it."""
    from reprolib.training.batches import Batches
    from reprolib.training.loop import encode, fit
    from reprolib.training.trained import Trained

    result = fit(
        model,
        split,
        seed=seed,
        progress=progress,
        loss=loss,
        epochs=epochs,
        patience=patience,
        every=every,
        lr=lr,
        weight_decay=weight_decay,
        batch_size=batch_size,
        negatives=negatives,
        device=device,
    )

    def vectors(stage: str):
        where = next(model.parameters()).device
        queries, items = encode(model, Batches(split, stage, model.length, model.parts, where))
        return queries.cpu(), items.cpu()

    return Trained(
        vectors,
        sum(p.numel() for p in model.parameters()),
        result.seconds,
        result.history,
        result.interrupted,
        report=getattr(model, "report", dict)(),
    )


@sequence_system
def sasrec(split, *, dim=64, length=50, blocks=2, heads=1, dropout=0.2, reads="tgt"):
    """SASRec over the target sequence (`reads="tgt"`) or over both domains merged by time (`"mix"`)."""
    from reprolib.baselines.sasrec import SASRec

    return SASRec(split.n_items, dim, length, blocks, heads, dropout, reads)


@sequence_system
def cl4srec(split, *, dim=64, length=50, blocks=2, heads=1, dropout=0.2, contrast=0.1):
    """CL4SRec: SASRec and `contrast` times a contrastive loss."""
    from reprolib.baselines.cl4srec import CL4SRec

    return CL4SRec(split.n_items, dim, length, blocks, heads, dropout, contrast)


@sequence_system
def pinet(split, *, dim=64, length=50, dropout=0.2, members=4):
    """pi-Net."""
    from reprolib.baselines.pinet import PiNet

    return PiNet(split, dim, length, dropout, members)


@sequence_system
def c2dsr(
    split,
    *,
    dim=64,
    length=50,
    blocks=2,
    heads=1,
    dropout=0.2,
    views="",
    annotator="embedded",
    categories=8,
    contrast=0.15,
    tau=0.07,
):
    """C2DSR; with `views` ("id+inn+agn") the plug-in of SemaCDR section 3.4 and its contrastive weight."""
    from reprolib.baselines.c2dsr import C2DSR
    from reprolib.papers.semacdr.plugin import plug_in

    return C2DSR(
        split,
        dim,
        length,
        blocks,
        heads,
        dropout,
        views=plug_in(split, dim, views, contrast, tau, annotator, categories),
    )


@sequence_system
def mgcl(
    split, *, dim=64, length=50, blocks=2, heads=1, dropout=0.2, item_weight=0.1, user_weight=0.1
):
    """MGCL (our reading)."""
    from reprolib.baselines.mgcl import MGCL

    return MGCL(split, dim, length, blocks, heads, dropout, item_weight, user_weight)


@sequence_system
def cd_sasrec(split, *, dim=64, length=50, blocks=2, heads=1, dropout=0.2):
    """CD-SASRec (our reading)."""
    from reprolib.baselines.cd_sasrec import CDSASRec

    return CDSASRec(split, dim, length, blocks, heads, dropout)


@sequence_system
def tri_cdr(
    split,
    *,
    dim=64,
    length=50,
    blocks=2,
    heads=1,
    dropout=0.2,
    triple=0.1,
    triplet=0.1,
    views="",
    annotator="embedded",
    categories=8,
    contrast=1.0,
    tau=0.2,
):
    """Tri-CDR; with `views` ("id+inn+agn") the plug-in of SemaCDR section 3.4 and its contrastive weight."""
    from reprolib.baselines.tri_cdr import TriCDR
    from reprolib.papers.semacdr.plugin import plug_in

    return TriCDR(
        split,
        dim,
        length,
        blocks,
        heads,
        dropout,
        triple,
        triplet,
        views=plug_in(split, dim, views, contrast, tau, annotator, categories),
    )


@sequence_system
def tjapl(split, *, dim=64, length=50, blocks=2, heads=1, dropout=0.2, window=10):
    """TJAPL (our reading)."""
    from reprolib.baselines.tjapl import TJAPL

    return TJAPL(split, dim, length, blocks, heads, dropout, window)


@sequence_system
def semacdr(
    split,
    *,
    dim=64,
    length=50,
    blocks=2,
    heads=1,
    dropout=0.2,
    views="id+inn+agn",
    annotator="embedded",
    categories=8,
    contrast=0.1,
    tau=0.07,
    item_graph="co-interaction",
    cross=True,
    fusion="learned",
    score="id",
    lr_semantic=3e-4,
):
    """SemaCDR; every ablation of its Table 3 is one of these options."""
    from reprolib.papers.semacdr.model import SemaCDR
    from reprolib.papers.semacdr.plugin import plug_in

    item_views = plug_in(split, dim, views, contrast, tau, annotator, categories, mixed=False)
    return SemaCDR(
        split,
        item_views,
        dim,
        length,
        blocks,
        heads,
        dropout,
        item_graph,
        cross,
        fusion,
        score,
        lr_semantic,
    )


SEQUENTIAL: "dict[str, tuple[Callable[..., Trained], dict]]" = {
    "SASRec": (sasrec, {}),
    "SASRec-SSM": (sasrec, {"loss": "ssm"}),
    "SASRec-both": (sasrec, {"reads": "mix"}),
    "CL4SRec": (cl4srec, {}),
    "pi-Net": (pinet, {}),
    "C2DSR": (c2dsr, {}),
    "MGCL": (mgcl, {}),
    "CD-SASRec": (cd_sasrec, {}),
    "Tri-CDR": (tri_cdr, {}),
    "TJAPL": (tjapl, {}),
    "SemaCDR": (semacdr, {"loss": "bpr"}),
    "SemaCDR graph-scored": (semacdr, {"loss": "bpr", "score": "graph"}),
    "C2DSR + semantics": (c2dsr, {"views": "id+inn+agn"}),
    "Tri-CDR + semantics": (tri_cdr, {"views": "id+inn+agn"}),
}
