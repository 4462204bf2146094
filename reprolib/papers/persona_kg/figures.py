"""The pictures of Persona-KG's notebooks."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reprolib.papers.persona_kg.probe import plain_name
from reprolib.report.figures import GREY, MARKERS, PALETTE, panels
from reprolib.report.plots import curves, name_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED_GROUPS = 5
PATH_NAMES = {
    "UIU": "user - item - user",
    "UIIU": "user - item - item - user",
    "UIFIU": "user - item - feature - item - user",
    "UIEIU": "user - item - entity - item - user",
    "merged": "all relations as one",
}


def personas_figure(points: np.ndarray, words: list[str]) -> "Figure":
    """Figure 1: users' personas on their two main axes; the most frequent nearest words are named at their centres.

    points  (users, 2);  words: each user's nearest feature or entity
    """
    figure, ax = panels(width=7.4, height=4.4)
    ax.scatter(points[:, 0], points[:, 1], s=6, color="#CCCCCC", label="_others")
    common = pd.Series(words).value_counts().index[:NAMED_GROUPS]
    for place, name in enumerate(common):
        chosen = points[np.array(words) == name]
        style = {"color": PALETTE[place], "marker": MARKERS[place]}
        ax.scatter(
            chosen[:, 0], chosen[:, 1], s=16, label=f"{_short(name)} ({len(chosen)})", **style
        )
    ax.set_xlabel("first main axis of the personas")
    ax.set_ylabel("second main axis of the personas")
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.0, 1),
        fontsize=8,
        title="nearest word (users)",
        title_fontsize=8,
    )
    return figure


def attention_figure(betas: pd.DataFrame) -> "Figure":
    """Figure 2: attention of each meta-path, one point a seed; the line is equal attention.

    betas  seed, path, beta
    """
    paths = list(dict.fromkeys(betas["path"]))[::-1]
    figure, ax = panels(width=6.4, height=1.2 + 0.4 * len(paths))
    for place, path in enumerate(paths):
        values = betas[betas["path"] == path]["beta"]
        ax.plot(values, [place] * len(values), "o", color=PALETTE[0], alpha=0.7)
    ax.axvline(1 / len(paths), color=GREY, linestyle="--", linewidth=1)
    ax.annotate(
        "equal attention",
        (1 / len(paths), 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(3, 2),
        textcoords="offset points",
        fontsize=8,
        color=GREY,
    )
    ax.set_yticks(range(len(paths)), [PATH_NAMES[path] for path in paths])
    ax.set_ylim(-0.6, len(paths) - 0.4)
    ax.set_xlim(left=0)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(r"attention $\beta$ of the meta-path, one point a seed")
    return figure


def candidates_figure(recall: pd.DataFrame, reranked: pd.DataFrame) -> "Figure":
    """Figure 3: how many held-out items are among the first M, and NDCG@10 after M candidates were reordered.

    recall    system, M, HR@M;  reranked: system, M, NDCG@10 and "NDCG@10 ±", whose bars are 95 % intervals
    """
    figure, axes = panels(rows=2, width=6.4, height=5.6)
    curves(
        recall,
        "M",
        "HR@M",
        "system",
        logx=True,
        ax=axes[0],
        xlabel="M, number of candidates",
        ylabel="HR@M of the candidates",
    )
    curves(
        reranked,
        "M",
        "NDCG@10",
        "system",
        logx=True,
        ax=axes[1],
        xlabel="M, number of candidates that SASRec reorders",
        ylabel="NDCG@10 after reordering",
        named=False,
    )
    for line, (_, part) in zip(
        list(axes[1].get_lines()), reranked.groupby("system", sort=False), strict=True
    ):
        axes[1].errorbar(
            part["M"],
            part["NDCG@10"],
            part["NDCG@10 ±"],
            fmt="none",
            ecolor=line.get_color(),
            elinewidth=0.8,
            capsize=3,
            alpha=0.6,
        )
    name_lines(axes[1])
    return figure


def _short(name: str, most: int = 30) -> str:
    name = plain_name(name)
    return name if len(name) <= most else name[: most - 1] + "…"
