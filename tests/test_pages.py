"""The page of an executed notebook, read as a browser reads it: from one toy notebook that is really executed."""

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from reprolib.pages import as_mathml, is_active, write_page
from reprolib.project import notebooks, root_folder
from reprolib.run_notebooks import execute

PROSE = r"""# A toy with $x_1$ in its title

A gate mixes two views, $h_i = g_i \odot s_i$ for all $i$; `$HOME` and `a $b$` are code. It costs 5 dollars.

$$ h_i = g_i \odot s_i^{\text{spec}} + (1 - g_i) \odot s_i^{\text{agn}} \qquad (5) $$

| term | meaning |
|---|---|
| $g_i$ | the gate |

Read [the next notebook](11_next.ipynb), [a document](../docs/llm.md#keys) or [the paper](https://example.org/a).

```python
price = "$5 and $6"
```
"""
FORMULAS = 5  # of PROSE
SCRIPT = "<script>alert('a review')</script>"
TABLE = f'import pandas as pd\npd.DataFrame({{"title": ["{SCRIPT}", "plain"], "hits": [3, None]}})'
MARKDOWN = (
    f'from IPython.display import HTML, Markdown, display\ndisplay(Markdown("**x** {SCRIPT}"))'
)
ACTIVE = f'HTML("{SCRIPT}")'
PROGRESS = "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='bar'): pass"
PICTURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


def body_of(path: Path) -> str:
    """The page's text without its style."""
    return re.sub(r"<style>.*?</style>", "", path.read_text("utf-8"), flags=re.S)


class Reader(HTMLParser):
    """Counts tags, collects addresses that a browser loads by itself, and text outside of code."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.loaded, self.links, self.headers = [], [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "a":
            self.links.append(values.get("href"))
        elif "href" in values:
            self.loaded.append(values["href"])
        if "src" in values:
            self.loaded.append(values["src"])


def write_toy(path: Path, *cells):
    parameters = new_code_cell("EPOCHS = 3  # how long", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=[new_markdown_cell(PROSE), parameters, *cells])
    notebook.metadata["kernelspec"] = kernel
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, str(path))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Text of the page of a toy notebook whose cells hold what notebooks hold."""
    folder = tmp_path_factory.mktemp("toy")
    path = folder / "notebooks" / "10_toy.ipynb"
    sources = (TABLE, MARKDOWN, ACTIVE, PROGRESS, PICTURE)
    write_toy(path, *map(new_code_cell, sources))
    outcome = execute(path, {"EPOCHS": 7}, folder / "figures" / "quick" / path.name, threads=1)
    assert outcome.error == ""
    return body_of(folder / "figures" / "quick" / "10_toy.html")


def test_nothing_runs_and_nothing_is_loaded(page):
    reader = Reader(page)
    assert "script" not in reader.tags
    assert "link" not in reader.tags
    assert [address for address in reader.loaded if not address.startswith("data:")] == []


def test_the_style_loads_nothing(tmp_path):
    write_toy(tmp_path / "10_toy.ipynb")
    page = write_page(tmp_path / "10_toy.ipynb").read_text("utf-8")
    assert "@import" not in page
    assert "url(" not in page


def test_a_script_in_a_title_is_text(page):
    assert "&lt;script&gt;alert('a review')&lt;/script&gt;" in page
    assert "<strong>x</strong>" in page


def test_prose_is_not_mangled(page):
    reader = Reader(page)
    assert reader.tags.count("h1") == 1
    for tag in ("p", "h1", "th", "td", "table", "div", "span", "math"):
        assert f"&lt;{tag}" not in page
    assert re.search(r"<th[^>]*>title</th>", page)
    assert re.search(r"<th[^>]*>meaning</th>", page)


def test_every_formula_is_mathml_and_code_is_left_alone(page):
    assert page.count("<math") == FORMULAS
    assert page.count('display="block"') == 1
    assert "<code>$HOME</code>" in page
    assert "<code>a $b$</code>" in page
    assert "\\odot" not in page


def test_the_parameters_are_those_of_the_run(page):
    text = re.sub(r"<[^>]+>", "", page)
    assert "EPOCHS = 7" in text
    assert "EPOCHS = 3" not in text


def test_pictures_are_embedded_and_progress_bars_left_out(page):
    assert page.count('src="data:image/png;base64,') == 1
    assert "widget" not in page
    assert "3/3" not in page


def test_links_lead_on_from_the_page(page):
    links = Reader(page).links
    assert "11_next.html" in links
    assert "../../docs/llm.md#keys" in links
    assert "https://example.org/a" in links


def test_the_page_of_a_failed_notebook_shows_where(tmp_path):
    path = tmp_path / "notebooks" / "11_bad.ipynb"
    write_toy(path, new_code_cell("1 + 1"), new_code_cell("raise ValueError('<b>no</b> data')"))
    outcome = execute(path, {}, tmp_path / "out" / path.name, threads=1)
    page = body_of(tmp_path / "out" / "11_bad.html")
    assert outcome.error == "cell 3: ValueError: <b>no</b> data"
    sentence = page.index("cell 3: ValueError: &lt;b&gt;no&lt;/b&gt; data")
    place = page.index('id="failure"')
    assert page.index('href="#failure"') < page.index("<h1")
    assert sentence < place < page.index("output_error")
    assert "papermill" not in page
    assert "An Exception was encountered" not in page


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "<img src=x onerror=alert(1)>",
        "<img src='https://example.org/x.png'>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<p style='background: url(https://example.org)'>x</p>",
        "<style>@import 'https://example.org';</style>",
        "<svg onload=alert(1)>",
        "<iframe>",
    ],
)
def test_html_that_runs_or_loads_something_is_told(text):
    assert is_active(text)


@pytest.mark.parametrize(
    "text",
    [
        "&lt;script&gt;x&lt;/script&gt;",
        "<table><style scoped>td { color: red; }</style><td>a onclick=b</td></table>",
        "<img src='data:image/png;base64,AA'>",
        "<a href='https://example.org'>a link is followed by the reader alone</a>",
    ],
)
def test_html_that_stands_still_is_kept(text):
    assert not is_active(text)


def test_a_formula_that_cannot_be_converted_stays_readable():
    assert as_mathml("x < y").startswith("<math")
    assert as_mathml("a^b^<c") == '<code class="formula">a^b^&lt;c</code>'


def test_every_formula_of_the_notebooks_is_converted(tmp_path):
    """As many <math elements as formulas, counted by an expression of its own on prose without code."""
    for path in notebooks(root_folder()):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        page = write_page(copy).read_text("utf-8")
        expected = 0
        for cell in nbformat.read(str(path), as_version=4).cells:
            if cell.cell_type == "markdown":
                prose = re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.S)
                expected += len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", prose, re.S))
        assert page.count("<math") == expected, path.name
        assert 'class="formula"' not in page
        assert not re.search(r"<m\w+[^>]*>\\", page)


def test_red_lines_are_muted_not_shown_as_faults(tmp_path):
    cell = new_code_cell("x", outputs=[new_output("stream", name="stderr", text="10%\r100%\n")])
    write_toy(tmp_path / "10_toy.ipynb", cell)
    page = write_page(tmp_path / "10_toy.ipynb").read_text("utf-8")
    assert "100%" in page
    assert "10%\r" not in page
