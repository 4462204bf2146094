"""Tables and figures with provenance."""

from reprolib.report.figures import PALETTE, panels, save_figure, style_of
from reprolib.report.plots import bars, curves
from reprolib.report.provenance import provenance, write_index
from reprolib.report.tables import save_table

__all__ = [
    "PALETTE",
    "bars",
    "curves",
    "panels",
    "provenance",
    "save_figure",
    "save_table",
    "style_of",
    "write_index",
]
