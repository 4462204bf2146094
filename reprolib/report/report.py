"""A notebook's tables and figures: saved, and shown as they are saved."""

import re
from pathlib import Path

import pandas as pd

from reprolib.catalogue import PARTS
from reprolib.data.origin import origin_of
from reprolib.folders import figures_folder
from reprolib.report.figures import figure_bytes
from reprolib.report.index_page import write_index
from reprolib.report.provenance import (
    MANIFEST,
    add_to_manifest,
    origin_line,
    origin_record,
    read_manifest,
    title_of,
    write_atomically,
)
from reprolib.report.tables import Table


class Report:
    """Saves and shows the tables and figures of one part.

    part     one of the catalogue's PARTS
    profile  written under everything
    folder   where `<part>/...` goes; relative means below the project
    """

    def __init__(self, part: str, profile: str, folder: str | Path):
        if part not in PARTS:
            raise ValueError(f"{part!r} is no part of the figures; there are {', '.join(PARTS)}")
        self.part = part
        self.profile = profile
        self.root = figures_folder(folder)

    def table(
        self,
        number: int | str,
        subject: str,
        frame: pd.DataFrame,
        caption: str,
        *,
        of: object,
        best: dict[str, str] | None = None,
        within: str | list[str] | None = None,
        show: list[str] | None = None,
        fold: bool = False,
    ) -> None:
        """Write `<part>/table<number>_<subject>.csv|md|tex` and show the table.

        number   of the table, one per part: 3, or "3b"
        subject  of the file's name, in lower case with underscores
        of       what the numbers come from: a corpus, data set, grid or stage, or several; never a text
        best     {column: "max" | "min"}: best value bold, second underlined; within: columns that make the groups
        show     the columns that are printed, where the frame has more than a reader takes in; the CSV has them all
        fold     show a line with the caption that a click unfolds
        """
        record = origin_record(origin_of(of), self.profile)
        title, name = f"Table {number}", self._name("table", number, subject)
        table = Table(
            title, frame, caption, origin_line(record), best=best, within=within, show=show
        )
        contents = {"csv": table.csv(), "md": table.markdown(), "tex": table.latex()}
        self._save(name, caption, record, contents)
        _show_html(table.html(fold))

    def figure(self, number: int | str, subject: str, figure, caption: str, *, of: object) -> None:
        """Write `<part>/figure<number>_<subject>.png|svg` and show the picture; arguments as for `table`."""
        record = origin_record(origin_of(of), self.profile)
        title, name = f"Figure {number}", self._name("figure", number, subject)
        contents = figure_bytes(figure, origin_line(record))
        self._save(name, caption, record, contents)
        _show_picture(contents["png"], f"{title}. {caption}")

    def _name(self, kind: str, number: int | str, subject: str) -> str:
        if not re.fullmatch(r"[a-z0-9_]+", subject):
            raise ValueError(
                f"{subject!r} is no subject of a file; use lower case letters and underscores"
            )
        return f"{self.part}/{kind}{number}_{subject}"

    def _save(
        self, name: str, caption: str, record: dict, contents: dict[str, str | bytes]
    ) -> None:
        paths = [self.root / f"{name}.{kind}" for kind in contents]
        for path, content in zip(paths, contents.values(), strict=True):
            write_atomically(path, content)
        entry = {"caption": caption, **record}
        add_to_manifest(self.root, name, entry, paths)
        write_index(self.root)


def one_number_each(root: Path, part: str) -> list[str]:
    """Numbers that stand for two subjects in a part, one sentence each."""
    names: dict[str, list[str]] = {}
    for line in read_manifest(Path(root) / part / MANIFEST):
        names.setdefault(title_of(line["name"]), []).append(line["name"])
    return [f"{title} is {' and '.join(same)}" for title, same in names.items() if len(same) > 1]


def _show_html(text: str) -> None:
    """Show HTML where a notebook is running; elsewhere there is nothing to show it in."""
    if _in_notebook():
        from IPython.display import HTML, display

        display(HTML(text))


def _show_picture(png: bytes, text: str) -> None:
    if _in_notebook():
        from IPython.display import Image, Markdown, display

        from reprolib.report.escape import to_markdown

        display(Image(png, width=720, alt=text))
        display(Markdown(to_markdown(text)))


def _in_notebook() -> bool:
    import sys

    return "ipykernel" in sys.modules
