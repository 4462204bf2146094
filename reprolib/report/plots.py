"""The few kinds of picture that the notebooks share."""

import pandas as pd

from reprolib.report.figures import PALETTE, panels, style_of


def curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    logx: bool = False,
    logy: bool = False,
    ax=None,
    xlabel: str = "",
    ylabel: str = "",
):
    """One line per value of `by`, in its fixed style; returns the figure."""
    figure, ax = panels() if ax is None else (ax.figure, ax)
    for place, (name, part) in enumerate(frame.groupby(by, sort=False, observed=True)):
        style = style_of(str(name), place) | (
            {"marker": ""} if len(part) > 25 else {"markersize": 4}
        )
        ax.plot(part[x], part[y], label=name, **style)
    if logx:
        ax.set_xscale("log")
    if logy:
        ax.set_yscale("log")
    ax.set_xlabel(xlabel or x)
    ax.set_ylabel(ylabel or y)
    ax.legend(title=by, fontsize=8)
    return figure


def bars(
    frame: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    *,
    ax=None,
    ylabel: str = "",
    error: str | None = None,
):
    """Grouped bars: groups along `x`, one bar per value of `by`, with half-widths from column `error`; the figure."""
    figure, ax = panels() if ax is None else (ax.figure, ax)
    groups, names = list(dict.fromkeys(frame[x])), list(dict.fromkeys(frame[by]))
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        part = frame[frame[by] == name].set_index(x).reindex(groups)
        at = [g + (i - (len(names) - 1) / 2) * width for g in range(len(groups))]
        ax.bar(
            at,
            part[y],
            width,
            label=name,
            color=PALETTE[i % len(PALETTE)],
            hatch=("", "//", "..", "xx")[i % 4],
            edgecolor="white",
            yerr=part[error] if error else None,
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(axis="x", visible=False)
    ax.set_ylabel(ylabel or y)
    ax.legend(title=by, fontsize=8)
    return figure
