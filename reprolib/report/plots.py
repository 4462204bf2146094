"""The few kinds of picture that the notebooks share."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reprolib.report.figures import DASHES, GREY, PALETTE, SYSTEM_ORDER, panels, plain_log, style_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY_POINTS = 25  # a line with more points has a marker only now and then
MANY_LINES = 8  # so many lines are named at their ends; more get a legend beside the axes
HATCHES = ("", "///", "...", "xxx")
LABEL_SIZE = 8  # points
LINE_HEIGHT = 1.35  # of a label, in font sizes


def curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    logx: bool = False,
    logy: bool = False,
    ax: "Axes | None" = None,
    xlabel: str = "",
    ylabel: str = "",
    named: bool = True,
) -> "Figure":
    """One line per value of `by`, named at its right end.

    frame           one row per point
    x, y, by        its columns: position, height, name of the line
    logx, logy      logarithmic axes
    ax              where to draw; default a figure of its own
    xlabel, ylabel  of the axes, with the unit; default the columns' names
    named           False where more is drawn before `name_lines` is called
    Returns the figure. Each line has its colour, marker and dash; more than MANY_LINES are named in a legend beside
    the axes.
    """
    figure, ax = panels() if ax is None else (ax.figure, ax)
    for place, (name, part) in enumerate(frame.groupby(by, sort=False, observed=True)):
        style = style_of(str(name), place)
        if str(name) not in SYSTEM_ORDER:
            style["linestyle"] = DASHES[place % len(DASHES)]
        markevery: int | tuple[float, float] = 1
        if len(part) > MANY_POINTS:
            markevery = (0.04 * (place % 3), 0.12)  # of the length of the axes
        ax.plot(part[x], part[y], label=str(name), markersize=5, markevery=markevery, **style)
    if logx:
        plain_log(ax.xaxis)
    if logy:
        plain_log(ax.yaxis)
    ax.set_xlabel(xlabel or x)
    ax.set_ylabel(ylabel or y)
    if named:
        name_lines(ax)
    return figure


def name_lines(ax: "Axes") -> None:
    """Write each line's label at its right end without overlap; a legend where there are many.

    The limits of the axes are fixed first, so set them before.
    """
    lines = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    if len(lines) > MANY_LINES:
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), fontsize=LABEL_SIZE)
        return
    ax.set_xlim(ax.get_xlim())
    ax.set_ylim(ax.get_ylim())
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = [to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1])) for line in lines]
    inches = ax.get_position().height * ax.figure.get_figheight()
    gap = LINE_HEIGHT * LABEL_SIZE / 72 / inches
    heights = spread([end[1] for end in ends], gap)
    for line, end, height in zip(lines, ends, heights, strict=True):
        ax.annotate(
            line.get_label(),
            xy=end,
            xytext=(1.03, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            fontsize=LABEL_SIZE,
            va="center",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkB": 3},
            annotation_clip=False,
        )


def spread(heights: list[float], gap: float) -> list[float]:
    """The heights, moved as little as needed so that each is at least `gap` above the next lower one."""
    order = np.argsort(heights, kind="stable")
    lower = np.array(heights, float)[order]
    for place in range(1, len(lower)):
        lower[place] = max(lower[place], lower[place - 1] + gap)
    upper = np.array(heights, float)[order]
    for place in range(len(upper) - 2, -1, -1):
        upper[place] = min(upper[place], upper[place + 1] - gap)
    moved = np.empty(len(heights))
    moved[order] = (lower + upper) / 2
    return moved.tolist()


def curve_panels(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    panel: str,
    *,
    logx: bool = False,
    logy: bool = False,
    xlabel: str = "",
    ylabel: str = "",
) -> "Figure":
    """`curves` in one panel per value of column `panel`, two panels a row, with the same axes everywhere."""
    groups = list(frame.groupby(panel, sort=False, observed=True))
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure, axes = panels(
        columns,
        rows,
        width=4.2 * columns,
        height=0.5 + 2.1 * rows,
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for ax, (name, part) in zip(axes.flat, groups, strict=False):
        curves(part, x, y, by, logx=logx, logy=logy, ax=ax, xlabel=" ", ylabel=" ", named=False)
        ax.set_title(name, loc="left")
    for ax in axes.flat[: len(groups)]:
        name_lines(ax)
    for ax in axes.flat[len(groups) :]:
        ax.set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel(ylabel or y)
    for column in range(columns):
        lowest = [ax for ax in axes[:, column] if ax.get_visible()][-1]
        lowest.set_xlabel(xlabel or x)
        lowest.tick_params(labelbottom=True)
    return figure


def bars(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    ax: "Axes | None" = None,
    xlabel: str = "",
    ylabel: str = "",
    error: str | None = None,
) -> "Figure":
    """Grouped bars with a legend above them.

    frame           one row per bar
    x, y, by        its columns: group of bars, height, name of the bar
    ax              where to draw; default a figure of its own
    xlabel, ylabel  of the axes, with the unit; default the columns' names
    error           column of half-widths of intervals
    Returns the figure. Bars differ in colour and in hatch.
    """
    figure, ax = panels() if ax is None else (ax.figure, ax)
    groups = list(dict.fromkeys(frame[x]))
    names = list(dict.fromkeys(frame[by]))
    width = 0.8 / max(1, len(names))
    for place, name in enumerate(names):
        part = frame[frame[by] == name].set_index(x).reindex(groups)
        ax.bar(
            np.arange(len(groups)) + (place - (len(names) - 1) / 2) * width,
            part[y],
            width,
            label=str(name),
            color=PALETTE[place % len(PALETTE)],
            hatch=HATCHES[place % len(HATCHES)],
            edgecolor="white",
            yerr=part[error] if error else None,
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(axis="x", visible=False)
    ax.set_xlabel(xlabel or x)
    ax.set_ylabel(ylabel or y)
    columns = 4 if ax.get_position().width * figure.get_figwidth() > 4 else 2
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=min(columns, max(1, len(names))),
        fontsize=LABEL_SIZE,
        handlelength=2.2,
    )
    return figure


def differences(
    names: list[str],
    values: list[float],
    halves: list[float],
    *,
    xlabel: str,
    left: str,
    right: str,
    notes: list[str] | None = None,
) -> "Figure":
    """Paired differences with their 95 % intervals beside a line at zero, one row per name.

    names, values, halves  of the rows, from the top: label, difference, half-width of its interval
    xlabel                 what is subtracted from what, with the unit
    left, right            what a negative and a positive difference mean; written above the rows
    notes                  what stands at the right end of a row, for example its p
    """
    rows = np.arange(len(names))[::-1]
    figure, ax = panels(width=7.2, height=1.3 + 0.42 * max(2, len(names)))
    ax.axvline(0, color="black", linewidth=1)
    ax.errorbar(
        values, rows, xerr=halves, fmt="o", color=PALETTE[0], capsize=4, elinewidth=2, markersize=7
    )
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    farthest = np.nanmax(np.abs(values) + np.nan_to_num(halves), initial=0.0)
    ax.set_xlim(-1.15 * farthest or -1, 1.15 * farthest or 1)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(xlabel)
    name_sides(ax, left, right)
    for row, note in zip(rows, notes or [], strict=False):
        ax.annotate(
            note,
            xy=(1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=LABEL_SIZE,
            annotation_clip=False,
        )
    return figure


def name_sides(ax: "Axes", left: str, right: str) -> None:
    """Write above the axes what lies to the left and to the right of zero; zero must be within the limits."""
    for text, offset, side in ((f"← {left}", -8, "right"), (f"{right} →", 8, "left")):
        ax.annotate(
            text,
            xy=(0, 1),
            xycoords=("data", "axes fraction"),
            xytext=(offset, 5),
            textcoords="offset points",
            ha=side,
            fontsize=9,
            style="italic",
            annotation_clip=False,
        )


def sampling_figure(curve: pd.DataFrame, metric: str) -> "Figure":
    """What sampled negatives do to a metric: its value on the left, each system's share of the best on the right.

    curve   from `sampling_curve`: system, negatives, the metric; the largest number of negatives is all items
    metric  its column
    On the right a dashed line marks the number of negatives from which the order is that of all items; where the order
    never differs there is none.
    """
    figure, (left, right) = panels(2, width=9.6, height=3.9)
    best = curve.groupby("negatives")[metric].transform("max")
    shares = curve.assign(share=100 * curve[metric] / best)
    xlabel = "sampled negatives (right end: all items)"
    names = {"xlabel": xlabel, "ylabel": f"expected {metric}, logarithmic"}
    curves(curve, "negatives", metric, "system", logx=True, logy=True, ax=left, **names)
    turn = first_true_order(curve, metric)
    if turn is not None:
        right.axvline(turn, color="black", linestyle=(0, (4, 3)), linewidth=1)
        right.set_title(
            f"dashed: the order of all items\nholds from {turn:,} negatives on", loc="left"
        )
    else:
        right.set_title("the order is the same\nfor every number of negatives", loc="left")
    names = {"xlabel": xlabel, "ylabel": f"{metric} in % of the best system"}
    curves(shares, "negatives", "share", "system", logx=True, ax=right, **names)
    return figure


def first_true_order(curve: pd.DataFrame, metric: str) -> int | None:
    """The smallest number of negatives from which on the systems stand in the order of all items; None if always."""
    wide = curve.pivot(index="negatives", columns="system", values=metric).sort_index()
    orders = [tuple(row.sort_values(ascending=False).index) for _, row in wide.iterrows()]
    differing = [place for place, order in enumerate(orders) if order != orders[-1]]
    if not differing:
        return None
    return int(wide.index[differing[-1] + 1])
