"""Tables and figures with provenance."""

from reprolib.report.figures import PALETTE, panels, style_of
from reprolib.report.index_page import write_index
from reprolib.report.plots import bars, curve_panels, curves, differences, sampling_figure
from reprolib.report.report import Report

__all__ = [
    "PALETTE",
    "Report",
    "bars",
    "curve_panels",
    "curves",
    "differences",
    "panels",
    "sampling_figure",
    "style_of",
    "write_index",
]
