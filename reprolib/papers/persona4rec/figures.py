"""The pictures of PERSONA4REC's notebooks."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reprolib.report.figures import PALETTE, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def win_bars(rates: pd.DataFrame, ours: str, theirs: str, judge: str, axis: "Axes") -> None:
    """Stacked bars, one per criterion: share of cases won by ours, undecided, won by theirs.

    rates         from `win_rates`: criterion, a, tie, b, cases
    ours, theirs  names of the two sides
    judge         who decided; written above the bars, because a proxy is no human study
    axis          matplotlib axis to draw on

    A line at the end of our bar is the 95 % interval (Wilson) of our share. Sides differ in colour and in hatch.
    """
    from scipy.stats import binomtest

    rates = rates[::-1]
    left = np.zeros(len(rates))
    sides = (("a", ours, 0, ""), ("tie", "undecided", 1, "..."), ("b", theirs, 4, "///"))
    for outcome, name, place, hatch in sides:
        colour = "#DDDDDD" if outcome == "tie" else PALETTE[place]
        axis.barh(
            rates["criterion"],
            rates[outcome],
            left=left,
            color=colour,
            hatch=hatch,
            label=name,
            edgecolor="white" if outcome != "tie" else "#777777",
        )
        left += rates[outcome].to_numpy()
    wins = (rates["a"] * rates["cases"]).round().astype(int)
    intervals = [
        binomtest(won, cases).proportion_ci(method="wilson")
        for won, cases in zip(wins, rates["cases"], strict=True)
    ]
    low, high = [ends.low for ends in intervals], [ends.high for ends in intervals]
    axis.hlines(range(len(rates)), low, high, color="black", linewidth=1.5)
    axis.plot(low, range(len(rates)), "k|", high, range(len(rates)), "k|", clip_on=False)
    axis.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
    axis.set(
        xlim=(0, 1),
        xlabel=f"share of {rates['cases'].max()} cases\nline: 95 % interval of the left part",
    )
    axis.grid(axis="y", visible=False)
    axis.legend(fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), columnspacing=1)
    axis.set_title(f"proxy judge: {judge}", loc="left", fontsize=9, pad=24)


def training_figure(history: list[dict], batch_size: int, quality: str) -> "Figure":
    """Loss per epoch beside that of a random guess, and the quality that validation looked at.

    history  of `Training`: epoch, loss and validation ("NDCG@10", whatever it measures) of each epoch
    quality  what validation measures, with its unit
    """
    figure, (left, right) = panels(2, width=8.0, height=3.2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], "o-", markersize=3, color=PALETTE[0])
    left.set(xlabel="epoch", ylabel="contrastive loss (nats)")
    mark_random_guess(left, batch_size)
    reached = [row["NDCG@10"] for row in history]
    right.plot(epochs, reached, "s-", markersize=3, color=PALETTE[1])
    best = int(np.argmax(reached))
    right.annotate(
        "kept",
        (epochs[best], reached[best]),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
    right.margins(y=0.15)
    right.set(xlabel="epoch", ylabel=quality)
    return figure


def mark_random_guess(axis: "Axes", batch_size: int) -> None:
    """Draw the loss of a random guess among `batch_size` personas as a dashed, labelled line.

    axis  matplotlib axis with steps to the right and the loss in nats upwards
    """
    from matplotlib.ticker import MaxNLocator

    loss = np.log(batch_size)
    axis.axhline(loss, color="black", linestyle="--", linewidth=1)
    axis.annotate(
        f"random guess: ln {batch_size} = {loss:.2f}",
        xy=(0.99, loss),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
