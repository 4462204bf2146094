import json
import multiprocessing
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from reprolib.data.origin import Origin, origin_of
from reprolib.report import Report, panels, style_of
from reprolib.report.cells import number_text
from reprolib.report.compare import compare_folders
from reprolib.report.escape import to_html, to_latex, to_markdown
from reprolib.report.figures import SYSTEM_ORDER
from reprolib.report.provenance import MANIFEST, read_manifest
from reprolib.report.report import one_number_each
from reprolib.report.tables import Table

TOY = Origin((("toy", 1200),), ("abc",), (0, 1))
EVIL = (
    "<script>alert(1)</script> [x](javascript:alert(2)) ![y](http://far/z.png) \u2028\r\x07| **b**"
)


def report(root, part="data"):
    return Report(part, "smoke", root)


def save(frame, root, **options):
    report(root).table(1, "x", frame, "A caption.", of=TOY, **options)
    return [(root / f"data/table1_x.{kind}").read_text() for kind in ("csv", "md", "tex")]


def test_best_is_bold_and_second_underlined_in_each_group(tmp_path):
    frame = pd.DataFrame({"d": ["a", "a", "a", "b", "b"], "HR": [0.1, 0.3, 0.2, 0.9, 0.8]})
    csv, md, tex = save(frame, tmp_path, best={"HR": "max"}, within="d")
    for shown in ("**0.3000**", "<u>0.2000</u>", "**0.9000**", "<u>0.8000</u>"):
        assert md.count(shown) == 1
    assert tex.count(r"\textbf{0.3000}") == tex.count(r"\underline{0.8000}") == 1
    assert csv.splitlines()[1] == "a,0.1"


def test_intervals_and_daggers_join_their_cell_but_stay_numbers_in_csv(tmp_path):
    frame = pd.DataFrame({"HR": [0.5, 0.6], "HR ±": [0.01, None], "HR †": [True, False]})
    csv, md, tex = save(frame, tmp_path)
    assert "0.5000 ± 0.0100†" in md
    assert r"0.5000 $\pm$ 0.0100$^\dagger$" in tex
    assert csv.splitlines()[0] == "HR,HR ±,HR †"
    assert "0.6000 ±" not in md


def test_the_interval_of_a_metric_stays_between_0_and_1_and_a_difference_may_leave_it():
    shown = Table("T", pd.DataFrame({"NDCG@10": [0.01], "NDCG@10 ±": [0.02]}), "", "").markdown()
    assert r"0.0100 \[0.0000, 0.0300\]" in shown
    shown = Table(
        "T", pd.DataFrame({"difference": [0.01], "difference ±": [0.02]}), "", ""
    ).markdown()
    assert "0.0100 ± 0.0200" in shown


def test_factors_become_one_label_and_a_direction_gets_its_arrow():
    frame = pd.DataFrame(
        {
            "system": ["SemaCDR"],
            "variant": ["K=4"],
            "on": [""],
            "direction": ["food->kitchen"],
            "NDCG@10": [0.1],
        }
    )
    table = Table("Table 1", frame, "", "")
    assert list(table.columns) == ["system", "direction", "NDCG@10"]
    assert "SemaCDR K=4" in table.html()
    assert "food → kitchen" in table.html()


def test_a_table_too_wide_to_read_is_refused_and_show_chooses():
    frame = pd.DataFrame(np.zeros((1, 9)), columns=list("abcdefghi"))
    with pytest.raises(ValueError, match="would print 9 columns"):
        Table("Table 1", frame, "", "")
    assert list(Table("Table 1", frame, "", "", show=["b", "i"]).columns) == ["b", "i"]
    assert Table("Table 1", frame, "", "", show=["b"]).csv().startswith("a,b,c")


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (1998, "first year", "1998"),
        (1998, "users", "1,998"),
        (3e-9, "p", "3e-09"),
        (0.0, "p", "0.0000"),
        (None, "x", "–"),
        (float("nan"), "x", "–"),
        (True, "x", "yes"),
        (12345.6, "x", "12,346"),
    ],
)
def test_numbers_read_as_people_write_them(value, column, text):
    assert number_text(value, column) == text


def test_foreign_text_never_becomes_markup_anywhere(tmp_path):
    frame = pd.DataFrame({EVIL: [EVIL], "b": ["[1] \\end{table}"]})
    report(tmp_path).table(1, "x", frame, EVIL, of=Origin(((EVIL, 3),)))
    md, tex = ((tmp_path / f"data/table1_x.{kind}").read_text() for kind in ("md", "tex"))
    index = (tmp_path / "README.md").read_text()
    shown = Table("T", frame, EVIL, EVIL).html()
    for text in (md, index, shown):
        assert "<script" not in text
    for text in (md, index):
        assert not re.search(r"(?<!\\)\]\((javascript|http)", text)
    assert "\u2028" not in md + tex + index
    assert "\r" not in md + tex + index
    assert tex.count(r"\end{table}") == 1
    assert not [line for line in tex.split("\n") if line.startswith(("[", "*"))]
    assert to_html("<b>") == "&lt;b&gt;"
    assert to_markdown("a|b") == r"a\|b"
    assert to_latex("50 % → x") == r"50 \% $\rightarrow$ x"


def test_the_origin_is_derived_and_stands_below_and_in_the_manifest(tmp_path):
    _, md, _ = save(pd.DataFrame({"a": [1]}), tmp_path)
    assert "Profile smoke; data toy; annotator none; encoder none; users 1,200; seeds 0, 1." in md
    line = json.loads((tmp_path / "data" / MANIFEST).read_text())
    assert (line["digests"], line["users"], line["seeds"]) == (["abc"], 1200, [0, 1])
    assert {"versions", "commit", "seconds", "caption"} <= set(line)
    assert set(line["files"]) == {"table1_x.csv", "table1_x.md", "table1_x.tex"}


def test_an_origin_cannot_be_typed(tmp_path):
    with pytest.raises(TypeError, match="has no origin"):
        report(tmp_path).table(
            1, "x", pd.DataFrame({"a": [1]}), "", of="Food-Kitchen, 29,662 users"
        )
    with pytest.raises(TypeError, match="has no origin"):
        origin_of({"users": 3})


def test_users_of_a_data_set_count_once():
    both = origin_of(
        [Origin((("a", 5),), ("x",)), Origin((("a", 7),), ("y",)), Origin((("b", 2),))]
    )
    assert both.n_users == 9
    assert both.digests == ("x", "y")


def write_many(root, start):
    for number in range(start, start + 20):
        report(root).table(number, "x", pd.DataFrame({"a": [number]}), "C.", of=TOY)


def test_two_writers_lose_no_line(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(tmp_path, start)) for start in (1, 101)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_manifest(tmp_path / "data" / MANIFEST)) == 40
    assert (tmp_path / "README.md").read_text().count("### Table") == 40


def test_saving_again_replaces_the_line_and_the_index_shows_everything_once(tmp_path):
    for _ in range(2):
        save(pd.DataFrame({"a": [1]}), tmp_path)
    figure, ax = panels()
    ax.plot([0, 1])
    report(tmp_path, "protocol").figure(1, "y", figure, "A figure.", of=TOY)
    index = (tmp_path / "README.md").read_text()
    assert index.count("### Table 1: x") == index.count("](protocol/figure1_y.png)") == 1
    assert "[Table 1](#data-table1_x)" in index
    assert "synthetic" in index


def test_a_number_stands_for_one_table_of_a_part(tmp_path):
    for subject in ("x", "y"):
        report(tmp_path).table(4, subject, pd.DataFrame({"a": [1]}), "", of=TOY)
    assert one_number_each(tmp_path, "data") == ["Table 4 is data/table4_x and data/table4_y"]


def test_figures_are_the_same_bytes_for_the_same_input_and_sound_whatever_the_label(tmp_path):
    from xml.etree import ElementTree

    contents = []
    for run in "ab":
        figure, ax = panels()
        ax.plot([0, 1, 3], label="a & b < c", **style_of("SASRec"))
        ax.set_xlabel(to_html("x\x07") and "x & y")
        report(tmp_path / run).figure(1, "z", figure, "Z.", of=TOY)
        files = [tmp_path / run / f"data/figure1_z.{kind}" for kind in ("png", "svg")]
        contents.append([file.read_bytes() for file in files])
        ElementTree.parse(files[1])
    assert contents[0] == contents[1]


def test_every_system_has_a_style_of_its_own():
    styles = [tuple(style_of(name).values()) for name in SYSTEM_ORDER]
    assert len(set(styles)) == len(styles)


def test_numbers_are_compared_cell_by_cell(tmp_path):
    old = pd.DataFrame({"s": ["A", "B"], "HR": [0.5, 0.4], "HR ±": [0.05, 0.01]})
    new = pd.DataFrame({"s": ["A", "B"], "HR": [0.52, 0.45], "HR ±": [0.05, 0.01]})
    for folder, frame in (("old", old), ("new", new)):
        report(tmp_path / folder).table(1, "x", frame, "", of=TOY)
    report(tmp_path / "old").table(2, "gone", old, "", of=TOY)
    found = compare_folders(tmp_path / "new", tmp_path / "old")
    verdicts = found.set_index(["table", "row", "column"])["verdict"]
    assert verdicts["data/table1_x", 0, "s"] == "equal"
    assert verdicts["data/table1_x", 0, "HR"] == "inside the interval"
    assert verdicts["data/table1_x", 1, "HR"] == "different"
    assert verdicts["data/table2_gone", "", ""] == "missing"


def test_what_is_saved_is_shown_also_inside_a_loop(tmp_path):
    """In a kernel every saved table and figure is an output of the cell that saves it."""
    import nbformat
    from nbclient import NotebookClient

    source = (
        "import pandas as pd\n"
        "from reprolib.report import Report, panels\n"
        "from reprolib.data.origin import Origin\n"
        f"report = Report('data', 'smoke', {str(tmp_path)!r})\n"
        "for n in (1, 2):\n"
        "    report.table(n, 'x', pd.DataFrame({'a': [n]}), f'Caption {n}', of=Origin())\n"
        "figure, ax = panels()\n"
        "report.figure(1, 'y', figure, 'A line', of=Origin())\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    shown = [o["data"].get("text/html", "") for o in outputs if "data" in o]
    assert (
        sum("Caption 1" in text for text in shown)
        == sum("Caption 2" in text for text in shown)
        == 1
    )
    assert any("image/png" in o.get("data", {}) for o in outputs)


def test_nothing_is_shown_where_no_notebook_runs(tmp_path):
    code = (
        "import pandas as pd; from reprolib.report import Report; from reprolib.data.origin import Origin\n"
        f"Report('data', 'smoke', {str(tmp_path)!r}).table(1, 'x', pd.DataFrame({{'a': [1]}}), '', of=Origin())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
