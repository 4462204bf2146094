"""Tables as CSV, Markdown and LaTeX. Numbers are computed elsewhere; here they are only written down."""

import html
import math
import numbers
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.report.provenance import footnote, record, write_atomically

LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)
SYMBOLS = {
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "—": "---",
    "–": "--",
}
MISSING = "–"


def save_table(
    frame: pd.DataFrame,
    name: str,
    root: str | Path,
    *,
    caption: str,
    about: dict,
    best: dict[str, str] | None = None,
    within: str | list[str] | None = None,
) -> pd.DataFrame:
    """Write `<root>/<name>.csv|.md|.tex` and one manifest line; return the frame.

    name    "part/tableN_subject"
    about   from `provenance(...)`
    best    {column: "max" | "min"}: best value bold, second underlined, among all rows or inside each `within` group
    A column "X ±" (interval half-width) or "X †" (bool) is merged into the cell of its column X in Markdown and
    LaTeX; the CSV keeps all columns as plain numbers.
    """
    root = Path(root)
    plain = frame.reset_index(drop=True)
    marks = _marks(plain, best or {}, within)
    paths = [root / f"{name}.{kind}" for kind in ("csv", "md", "tex")]
    write_atomically(paths[0], plain.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    markdown = _cells(plain, marks, _markdown_text, ("**{}**", "<u>{}</u>"))
    body = markdown.to_markdown(index=False, disable_numparse=True, stralign="left")
    write_atomically(
        paths[1], f"{body}\n\n{_markdown_text(caption)}\n\n*{_markdown_text(footnote(about))}*\n"
    )
    latex = _cells(plain, marks, _latex_text, (r"\textbf{{{}}}", r"\underline{{{}}}"))
    tabular = latex.to_latex(index=False, escape=False)
    note = f"{_latex_text(caption)} \\emph{{{_latex_text(footnote(about))}}}"
    write_atomically(
        paths[2], f"\\begin{{table}}\n\\centering\n{tabular}\\caption{{{note}}}\n\\end{{table}}\n"
    )
    record(root, name, caption, about, paths)
    return frame


def _marks(
    frame: pd.DataFrame, best: dict[str, str], within: str | list[str] | None
) -> dict[tuple[int, str], int]:
    """(row, column) -> 0 for the best value, 1 for the second best; ties share a place."""
    marks = {}
    groups = [g for _, g in frame.groupby(within, sort=False)] if within else [frame]
    for column, direction in best.items():
        for group in groups:
            values = group[column].dropna()
            places = sorted(values.unique(), reverse=direction == "max")[:2]
            for row, value in values.items():
                if value in places and len(values) > 1:
                    marks[row, column] = places.index(value)
    return marks


def _cells(frame, marks, escape, wraps) -> pd.DataFrame:
    columns = [c for c in frame.columns if not (c[-2:] in (" ±", " †") and c[:-2] in frame.columns)]
    rows = {}
    for column in columns:
        cells = []
        for row, value in frame[column].items():
            cell = escape(_number(value))
            if (row, column) in marks:
                cell = wraps[marks[row, column]].format(cell)
            spread = frame[f"{column} ±"][row] if f"{column} ±" in frame.columns else None
            if spread is not None and not pd.isna(spread):
                cell += escape(f" ± {_number(float(spread))}")
            if f"{column} †" in frame.columns and bool(frame[f"{column} †"][row]):
                cell += escape("†")
            cells.append(cell)
        rows[escape(str(column))] = cells
    return pd.DataFrame(rows, dtype=object)


def _number(value) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    if isinstance(value, numbers.Real):
        if 0 < abs(value) < 5e-5:
            return f"{value:.0e}"  # a p of 0.0000 would claim what no test can
        return (
            f"{value:,.0f}"
            if abs(value) >= 1000
            else f"{value:.4g}"
            if abs(value) >= 1
            else f"{value:.4f}"
        )
    return str(value)


def _markdown_text(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|").replace("*", "\\*").replace("\n", " ")


def _latex_text(text: str) -> str:
    text = text.translate(LATEX).replace("\n", " ")
    for symbol, command in SYMBOLS.items():
        text = text.replace(symbol, command)
    return text
