"""A table as CSV, Markdown, LaTeX and HTML. Numbers are computed elsewhere; here they are only written down."""

from collections.abc import Callable

import pandas as pd

from reprolib.report.cells import BEST, Cell, printed
from reprolib.report.escape import to_html, to_latex, to_markdown

NO_BREAK = 30  # characters
MOST_COLUMNS = 8  # that a reader takes in on a screen


class Table:
    """A numbered table, ready to be written in each format.

    title   "Table 1"
    frame   all columns; they stand in the CSV
    show    the columns that are printed, at most MOST_COLUMNS once intervals have joined their values; default all
    best, within  see `printed`
    origin  the line below
    Raises ValueError where more columns would be printed than a reader takes in.
    """

    def __init__(
        self,
        title: str,
        frame: pd.DataFrame,
        caption: str,
        origin: str,
        *,
        best: dict[str, str] | None = None,
        within: str | list[str] | None = None,
        show: list[str] | None = None,
    ):
        self.title = title
        self.caption = caption
        self.origin = origin
        self.frame = frame.reset_index(drop=True)
        self.columns = printed(self._printed_part(show), best, within)
        if len(self.columns) > MOST_COLUMNS:
            raise ValueError(
                f"{title} would print {len(self.columns)} columns ({', '.join(self.columns)}); "
                f"at most {MOST_COLUMNS} are read: choose some with `show`, or make two tables"
            )

    def csv(self) -> str:
        """Every column, as plain numbers."""
        return self.frame.to_csv(index=False, lineterminator="\n", float_format="%.6g")

    def markdown(self) -> str:
        """Caption, table, origin."""
        body = self._cells(to_markdown, "**{}**", "<u>{}</u>")
        table = body.to_markdown(index=False, disable_numparse=True, stralign="left")
        head = f"**{to_markdown(self.title)}.** {to_markdown(self.caption)}"
        return f"{head}\n\n{table}\n\n*{to_markdown(self.origin)}*\n"

    def latex(self) -> str:
        """A table environment; the origin closes the caption."""
        body = self._cells(to_latex, r"\textbf{{{}}}", r"\underline{{{}}}")
        tabular = body.to_latex(index=False, escape=False)
        note = f"{to_latex(self.caption)} \\emph{{{to_latex(self.origin)}}}"
        return f"\\begin{{table}}\n\\centering\n\\caption{{{note}}}\n{tabular}\\end{{table}}\n"

    def html(self, fold: bool = False) -> str:
        """What a notebook shows: the same cells as in the files, in a box that scrolls where the table is wide.

        fold  the table is hidden below its caption until a reader clicks on it
        """
        body = self._cells(to_html, "<b>{}</b>", "<u>{}</u>")
        head = "".join(f'<th scope="col">{name}</th>' for name in body.columns)
        rows = "".join(
            "<tr>" + "".join(_data_cell(cell) for cell in row) + "</tr>"
            for row in body.itertuples(index=False, name=None)
        )
        caption = f"<b>{to_html(self.title)}.</b> {to_html(self.caption)}"
        above = (
            '<caption style="caption-side:top;text-align:left;white-space:normal">'
            f"{caption}</caption>"
        )
        box = (
            '<div class="reprolib-table" style="overflow-x:auto">'
            f"<table>{'' if fold else above}"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<p><small><i>{to_html(self.origin)}</i></small></p></div>"
        )
        return f"<details><summary>{caption}</summary>{box}</details>" if fold else box

    def _printed_part(self, show: list[str] | None) -> pd.DataFrame:
        if show is None:
            return self.frame
        joined = [f"{column}{mark}" for column in show for mark in (" ±", " †")]
        wanted = [*show, *(column for column in joined if column in self.frame)]
        if "system" in show:
            wanted += [column for column in ("variant", "on") if column in self.frame]
        return self.frame[list(dict.fromkeys(wanted))]

    def _cells(self, escape: Callable[[object], str], best: str, second: str) -> pd.DataFrame:
        def text(cell: Cell) -> str:
            escaped = escape(cell.text)
            if cell.place is None:
                return escaped
            return (best if cell.place == BEST else second).format(escaped)

        rows = {
            escape(name): [text(cell) for cell in cells] for name, cells in self.columns.items()
        }
        return pd.DataFrame(rows, dtype=object)


def _data_cell(text: str) -> str:
    """A cell; a number with its interval or a direction is not broken into two lines."""
    style = ' style="white-space:nowrap"' if len(text) <= NO_BREAK else ""
    return f"<td{style}>{text}</td>"
