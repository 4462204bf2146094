"""What stands in a cell of a printed table: numbers with their intervals, marks, labels. The same for every format."""

import math
import numbers
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reprolib.data.split import ARROW
from reprolib.evaluate.rank_table import SYSTEM, labels

MISSING = "–"
BEST, SECOND = 0, 1
SPREAD, DAGGER = " ±", " †"
SHARES = re.compile(r"(HR|NDCG|MRR|Recall|coverage|share)\b")  # columns whose values lie in [0, 1]
NAMES = {"dataset": "data set", "train_seconds": "training s", "llm_calls": "LLM calls"}


@dataclass(frozen=True)
class Cell:
    """A printed cell: its text, and its place (BEST, SECOND or None) in its column."""

    text: str
    place: int | None = None


def printed(
    frame: pd.DataFrame,
    best: dict[str, str] | None = None,
    within: str | list[str] | None = None,
) -> dict[str, list[Cell]]:
    """{column as printed: its cells} of a frame.

    best    {column: "max" | "min"}: its best and second-best values get a place, among all rows or inside each group
    within  column or columns that make the groups

    Columns system, variant and on become one label. A column "X ±" (interval half-width) or "X †" (bool) goes into the
    cells of its column X. An arrow stands in directions.
    """
    places = _places(frame, best or {}, within)
    shown = _with_labels(frame)
    columns = [c for c in shown if not (c[-2:] in (SPREAD, DAGGER) and c[:-2] in shown)]
    table = {}
    for column in columns:
        spread = shown.get(f"{column}{SPREAD}")
        dagger = shown.get(f"{column}{DAGGER}")
        cells = []
        for row, value in enumerate(shown[column].tolist()):
            text = number_text(value, column)
            if spread is not None:
                text = _with_interval(value, spread.iloc[row], column)
            if dagger is not None and bool(dagger.iloc[row]):
                text += "†"
            cells.append(Cell(text, places.get((row, column))))
        table[NAMES.get(column, column)] = cells
    return table


def number_text(value: object, column: str = "") -> str:
    """A value as tables print it: four digits, thousands separated but for years, a dash for nothing."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return str(value) if "year" in column or column in ("id", "seed") else f"{value:,}"
    if isinstance(value, numbers.Real):
        return _real_text(float(value), column)
    if column == "direction":
        return str(value).replace(ARROW, " → ")
    return str(value)


def _real_text(value: float, column: str) -> str:
    if "year" in column:
        return f"{value:.0f}"
    size = abs(value)
    if 0 < size < 5e-5:
        return f"{value:.0e}"  # a p of 0.0000 would claim what no test can
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if size >= 1 else f"{value:.4f}"


def _with_interval(value: object, half: object, column: str) -> str:
    """ "0.1234 ± 0.0100", or the interval itself where half of it would lie outside [0, 1]."""
    text = number_text(value, column)
    if text == MISSING or half is None or pd.isna(half):
        return text
    low, high = float(value) - float(half), float(value) + float(half)
    if SHARES.match(column) and (low < 0 or high > 1):
        return f"{text} [{max(low, 0):.4f}, {min(high, 1):.4f}]"
    return f"{text} ± {number_text(float(half))}"


def _with_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with one column "system" in place of system, variant and on."""
    extra = [column for column in SYSTEM[1:] if column in frame]
    if "system" not in frame or not extra:
        return frame
    return frame.assign(system=labels(frame).astype(str)).drop(columns=extra)


def _places(
    frame: pd.DataFrame, best: dict[str, str], within: str | list[str] | None
) -> dict[tuple[int, str], int]:
    """(row, column) -> BEST or SECOND; ties share a place."""
    frame = frame.reset_index(drop=True)
    groups = [part for _, part in frame.groupby(within, sort=False)] if within else [frame]
    places = {}
    for column, direction in best.items():
        for group in groups:
            values = group[column].dropna()
            if len(values) < 2:
                continue
            top = sorted(values.unique(), reverse=direction == "max")[:2]
            for row, value in values.items():
                if value in top:
                    places[row, column] = top.index(value)
    return places
