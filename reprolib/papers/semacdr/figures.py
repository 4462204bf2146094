"""The pictures of SemaCDR's notebooks."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reprolib.llm.controls import oracle_share
from reprolib.report.figures import DASHES, PALETTE, panels, style_of
from reprolib.report.plots import name_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYMBOLS = {
    "K": "$K$, number of categories",
    "lambda": r"$\lambda$, weight of the contrastive loss",
    "lr_semantic": "learning rate of the semantic modules",
    "lr_general": "learning rate of everything else",
}


def user_figure(shares: pd.DataFrame) -> "Figure":
    """Figure 4: the labels of one user in both domains, one row a label.

    shares  from `analysis.user_figure`: domain, label, share
    """
    labels = list(dict.fromkeys(shares["label"]))[::-1]
    figure, ax = panels(height=0.9 + 0.34 * len(labels))
    for side, (domain, part) in enumerate(shares.groupby("domain", sort=False)):
        values = part.set_index("label")["share"].reindex(labels)
        places = np.arange(len(labels)) + (0.2 if side == 0 else -0.2)
        hatch = "" if side == 0 else "//"
        ax.barh(
            places, values, 0.4, color=PALETTE[side], hatch=hatch, edgecolor="white", label=domain
        )
    ax.set_yticks(range(len(labels)), labels)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("share of the user's labels in the domain")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return figure


def spaces_figure(
    points: dict[str, pd.DataFrame], mixing: dict[str, float], domains: tuple[str, str]
) -> "Figure":
    """Figure 3: t-SNE of the items, one panel a variant; axes without numbers, because t-SNE's have no meaning.

    points   {variant: x, y, target} from `analysis.tsne`
    mixing   {variant: neighbour mixing}
    domains  (source, target)
    """
    figure, axes = panels(len(points), width=7.6, height=4.0, squeeze=False)
    for ax, (name, frame) in zip(axes[0], points.items(), strict=True):
        for is_target, domain in zip((False, True), domains, strict=True):
            part = frame[frame["target"] == is_target]
            marker = "^" if is_target else "o"
            ax.scatter(
                part["x"],
                part["y"],
                s=8,
                alpha=0.6,
                color=PALETTE[is_target],
                marker=marker,
                label=domain,
            )
        ax.set_title(f"{name}\nneighbour mixing {mixing[name]:.2f} (1 = mixed, 0 = apart)")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2, markerscale=2)
    return figure


def knobs_figure(curve: pd.DataFrame, metric: str, ylabel: str) -> "Figure":
    """Figure 5: the metric by one knob at a time, with 95 % intervals.

    curve  columns knob, value (text), the metric and its "±"
    """
    knobs = list(dict.fromkeys(curve["knob"]))
    figure, axes = panels(
        len(knobs), width=2.6 * max(len(knobs), 2), height=3.0, sharey=True, squeeze=False
    )
    for ax, knob in zip(axes[0], knobs, strict=True):
        part = curve[curve["knob"] == knob]
        ax.errorbar(
            part["value"], part[metric], part[f"{metric} ±"], fmt="o", color=PALETTE[0], capsize=3
        )
        ax.set_xlabel("\n".join(_wrapped(SYMBOLS[knob])))
        ax.margins(x=0.2)
    axes[0, 0].set_ylabel(ylabel)
    return figure


def controls_figure(curve: pd.DataFrame, metric: str, ylabel: str) -> "Figure":
    """Dose and response: the metric by the share of items that are described truly, one panel a world.

    curve  rows of `summarise`: dataset, system, variant ("oracle", "oracle:0.5", "shuffled", "ids only" or an
           annotator), the metric and its "±"; a variant that is no share is a line across
    """
    worlds = list(dict.fromkeys(curve["dataset"]))
    figure, axes = panels(1, len(worlds), height=3.2 * len(worlds), sharex=True, squeeze=False)
    for ax, world in zip(axes[:, 0], worlds, strict=True):
        here = curve[curve["dataset"] == world]
        for place, (system, part) in enumerate(here.groupby("system", sort=False)):
            _dose_curve(ax, part, metric, system, place)
        ax.set_title(world.partition("/")[0].removeprefix("world-"), loc="left")
        ax.set_ylabel(ylabel)
    axes[-1, 0].set_xlabel("items described truly, %; the others carry another item's description")
    for ax in axes[:, 0]:
        name_lines(ax)
    return figure


def _dose_curve(ax: "Axes", part: pd.DataFrame, metric: str, system: str, place: int) -> None:
    """One system: its response to the share of true items, and its other variants as lines across."""
    share = part["variant"].map(oracle_share).astype(float)
    dosed = part.assign(share=100 * share).dropna(subset="share").sort_values("share")
    style = style_of(system, place)
    error = dosed[f"{metric} ±"]
    ax.errorbar(dosed["share"], dosed[metric], error, capsize=3, label="_bars", **style)
    ax.plot(dosed["share"], dosed[metric], label=system, **style)
    for number, row in enumerate(part[share.isna()].to_dict("records")):
        dash = DASHES[1 + number % 3]
        across = [row[metric], row[metric]]
        name = f"{system}, {row['variant']}"
        ax.plot([0, 100], across, color=style["color"], linestyle=dash, linewidth=1, label=name)


def _wrapped(text: str, width: int = 24) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)
