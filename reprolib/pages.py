"""An executed notebook as one HTML page that needs nothing but itself: no script, no font, no style from elsewhere.

Formulas are MathML, code is coloured by the page's own style, and figures are embedded. Prose and the HTML of our own
notebooks are trusted; an output may hold tables and pictures, but nothing that runs or loads something.
"""

import html
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from reprolib.page_style import PAGE, page_style

PAPERMILL_MARK = "papermill-error-cell-tag"  # papermill's own red lines about a failed cell
SHOWN_TYPES = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/plain")
ACTIVE_TAGS = ("script", "iframe", "object", "embed", "link", "base", "meta", "form")
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
FAILED = "failed: "  # how a grid begins the line about a cell that did not run


def write_page(notebook: Path, error: str = "", source_folder: Path | None = None) -> Path:
    """Write the page of an executed notebook beside it, whole or not at all; return its path.

    notebook       the executed copy
    error          why the notebook failed; stands on top, with a link to the cell
    source_folder  the folder of the notebook that was executed; relative links are read from there, and those to
                   other notebooks lead to their pages
    """
    page = notebook.with_suffix(".html")
    content = nbformat.read(str(notebook), as_version=4)
    title = _title(content, notebook.stem)
    prepared = _prepared(content, error)
    exporter = _PageExporter(source_folder or notebook.parent, page.parent)
    body, _ = exporter.from_notebook_node(prepared)
    text = PAGE.format(title=html.escape(title), style=page_style(), body=body)
    temporary = page.with_name(f".{page.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(page)
    finally:
        temporary.unlink(missing_ok=True)
    return page


def failed_lines(notebook: NotebookNode) -> list[str]:
    """The lines "failed: ..." that a notebook's cells printed, without that word."""
    lines = []
    for cell in notebook.cells:
        lines += _failed_lines_of(cell)
    return lines


def _failed_lines_of(cell: NotebookNode) -> list[str]:
    printed = [output.text for output in cell.get("outputs", []) if output.output_type == "stream"]
    return [
        line.removeprefix(FAILED)
        for line in "".join(printed).splitlines()
        if line.startswith(FAILED)
    ]


def _title(notebook: NotebookNode, otherwise: str) -> str:
    for cell in notebook.cells:
        heading = re.search(r"^#+ +(.+)$", cell.source, re.M)
        if cell.cell_type == "markdown" and heading:
            return re.sub(r"[$*`\\]", "", heading[1])
    return otherwise


def _prepared(notebook: NotebookNode, error: str) -> NotebookNode:
    """The cells a reader sees: the parameters as they were run, the outputs that a page can show, the failure."""
    notebook.metadata.pop("widgets", None)
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    was_injected = any("injected-parameters" in names for names in tags)
    cells = []
    for cell, names in zip(notebook.cells, tags, strict=True):
        if PAPERMILL_MARK in names or (was_injected and "parameters" in names):
            continue
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in map(_readable_output, cell.outputs) if output is not None
            ]
        cells.append(cell)
    if error:
        cells = _with_failure(cells, error)
    notebook.cells = cells
    return notebook


def _with_failure(cells: list[NotebookNode], error: str) -> list[NotebookNode]:
    """The cells with the sentence on top and, before the first cell that failed, the place it links to."""
    sentence = f"<strong>This notebook failed.</strong> {html.escape(error)}"
    failed = [place for place, cell in enumerate(cells) if _has_failed(cell)]
    if failed:
        mark = '<p class="failure" id="failure">The cell below failed.</p>'
        cells = [*cells[: failed[0]], _markdown_cell(mark), *cells[failed[0] :]]
        sentence += ' <a href="#failure">Show the cell.</a>'
    return [_markdown_cell(f'<p class="failure">{sentence}</p>'), *cells]


def _has_failed(cell: NotebookNode) -> bool:
    if any(output.output_type == "error" for output in cell.get("outputs", [])):
        return True
    return bool(_failed_lines_of(cell))


def _markdown_cell(source: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source)


def _readable_output(output: NotebookNode) -> NotebookNode | None:
    """The output with what a page can show of it; None for progress bars, scripts and the like."""
    if output.output_type == "stream":
        output.text = _last_state_of_progress(output.text)
        return output if output.text.strip() else None
    if output.output_type == "error":
        return output
    if any("widget-view" in kind for kind in output.data):
        return None
    data = dict(output.data)
    if "text/markdown" in data and "text/html" not in data:
        renderer = IPythonRenderer(escape=True, exclude_anchor_links=True)
        data["text/html"] = MarkdownWithMath(renderer=renderer).render(data["text/markdown"])
    if "text/html" in data and is_active(data["text/html"]):
        del data["text/html"]
    output.data = NotebookNode({kind: data[kind] for kind in SHOWN_TYPES if kind in data})
    return output if output.data else None


def _last_state_of_progress(text: str) -> str:
    """The text as a terminal leaves it: a carriage return begins the line again."""
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))


def is_active(text: str) -> bool:
    """Whether HTML would run something or load something when a page that holds it is opened."""
    finder = _ActiveParts()
    finder.feed(text)
    finder.close()
    return finder.found


class _ActiveParts(HTMLParser):
    """Sets `found` at the first tag that runs or loads something; escaped text holds no tags."""

    found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ACTIVE_TAGS:
            self.found = True
        for name, value in attrs:
            address = re.sub(r"\s", "", value or "").lower()
            loads = name in ("src", "srcset", "poster", "data") and not address.startswith("data:")
            runs = name.startswith("on") or address.startswith("javascript:")
            if loads or runs or "url(" in address:
                self.found = True

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style" and ("url(" in data or "@import" in data):
            self.found = True


def as_mathml(formula: str, display: str = "inline") -> str:
    """A TeX formula as a MathML element; as code where the converter does not know it.

    display  "inline" or "block"
    """
    try:
        element = convert(formula.strip(), display=display)
    except Exception:  # the converter's errors have no common class
        return f'<code class="formula">{html.escape(formula)}</code>'
    return element.replace(f' xmlns="{NAMESPACE}"', "")  # HTML needs none


class _PageExporter(HTMLExporter):
    """nbconvert's plain template, with prose rendered by `_ProseRenderer`."""

    def __init__(self, source_folder: Path, page_folder: Path):
        super().__init__(template_name="basic")
        self.exclude_input_prompt = True
        self.exclude_output_prompt = True
        self._folders = (source_folder, page_folder)

    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", self._prose

    def _prose(self, source: str) -> str:
        return MarkdownWithMath(renderer=_ProseRenderer(*self._folders)).render(source)


class _ProseRenderer(IPythonRenderer):
    """Markdown to HTML, with formulas as MathML and relative links that lead on from the page's folder."""

    def __init__(self, source_folder: Path, page_folder: Path):
        super().__init__(escape=False)
        self._source_folder = source_folder
        self._page_folder = page_folder

    def block_math(self, body: str) -> str:
        return as_mathml(body, "block")

    def inline_math(self, body: str) -> str:
        return as_mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return as_mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, self._from_page(url), title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, self._from_page(url), title)

    def _from_page(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme or parts.netloc or not parts.path:
            return url
        target = (self._source_folder / unquote(parts.path)).resolve()
        if target.suffix == ".ipynb" and target.parent == self._source_folder.resolve():
            path = f"{target.stem}.html"
        else:
            path = os.path.relpath(target, self._page_folder.resolve())
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return quote(Path(path).as_posix()) + fragment
