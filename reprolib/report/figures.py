"""One look for every figure, and PNG + SVG files that are the same bytes for the same input."""

import functools
import io
import textwrap
from typing import TYPE_CHECKING

from reprolib.report.escape import one_line

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito (2008), a palette that colour-blind readers can tell apart
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
MARKERS, DASHES = "osD^vPX*", ("-", "--", "-.", ":")
SYSTEM_ORDER = (
    "SASRec",
    "SemaCDR",
    "PERSONA4REC",
    "SPHERE",
    "BPR-MF",
    "SASRec-SSM",
    "Popularity",
    "LLM-EDT",
    "Tri-CDR",
    "C2DSR",
    "TJAPL",
    "SASRec-both",
    "BPR-MF-both",
    "LightGCN",
    "pi-Net",
    "MGCL",
    "CL4SRec",
    "CD-SASRec",
    "NCF",
    "SVD++",
    "GRU4Rec",
    "BERT4Rec",
    "Persona-KG",
    "LLM4CDSR",
)
GREY = "#7F7F7F"
ABOUT_A_DECADE = 30  # largest over smallest value of a logarithmic axis


def style_of(system: str, place: int = 0) -> dict[str, str]:
    """Colour, marker and dash of a system: the same in every figure, distinct in grey. Other names go by `place`."""
    place = SYSTEM_ORDER.index(system) if system in SYSTEM_ORDER else place
    return {
        "color": PALETTE[place % 8],
        "marker": MARKERS[place % 8],
        "linestyle": DASHES[place // 8 % 4],
    }


@functools.cache
def use_style() -> None:
    """Set the suite's matplotlib style once per process."""
    import matplotlib as mpl

    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.8),
            "figure.dpi": 200,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": mpl.cycler(color=PALETTE),
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#DDDDDD",
            "font.size": 10,
            "axes.titlesize": 10,
            "legend.frameon": False,
            "svg.hashsalt": "reprolib",
            "svg.fonttype": "none",
        }
    )


def panels(columns: int = 1, rows: int = 1, *, width: float = 6.4, height: float = 3.8, **shared):
    """A figure and its axes in the suite's style; `shared` is passed to `matplotlib.pyplot.subplots`."""
    import matplotlib.pyplot as plt

    use_style()
    return plt.subplots(rows, columns, figsize=(width, height), **shared)


def plain_log(axis: "Axis") -> None:
    """Make an axis logarithmic with numbers as people write them: 0.05, 10, 1,000; not powers of ten.

    axis  `ax.xaxis` or `ax.yaxis`; where it spans about a decade, numbers between the powers are written, too
    """
    from matplotlib.ticker import LogFormatter

    class PlainNumbers(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:,g}" if super().__call__(x, pos) else ""

    class BetweenPowers(PlainNumbers):
        def __call__(self, x: float, pos: int | None = None) -> str:
            low, high = sorted(self.axis.get_view_interval())
            return super().__call__(x, pos) if high / low < ABOUT_A_DECADE else ""

    set_scale = axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale
    set_scale("log")
    axis.set_major_formatter(PlainNumbers())
    axis.set_minor_formatter(BetweenPowers())


def figure_bytes(figure: "Figure", origin: str) -> dict[str, bytes]:
    """{"png": ..., "svg": ...} of a figure with its origin printed below; the same bytes for the same input.

    The figure is closed.
    """
    import matplotlib.pyplot as plt

    line = textwrap.fill(one_line(origin), int(19 * figure.get_figwidth()))
    figure.supxlabel(line, fontsize=6, color=GREY, x=0.01, ha="left")
    contents = {}
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata)
        contents[kind] = buffer.getvalue()
    plt.close(figure)
    return contents
