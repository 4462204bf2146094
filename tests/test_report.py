import json

import pandas as pd
import pytest

from reprolib.report import panels, provenance, save_figure, save_table, style_of
from reprolib.report.figures import SYSTEM_ORDER

ABOUT = provenance(profile="smoke", dataset="toy", digest="abc", seeds=[0, 1], users=1200)


def save(frame, root, **options):
    save_table(frame, "data/table1_x", root, caption="A caption.", about=ABOUT, **options)
    return [(root / f"data/table1_x.{kind}").read_text() for kind in ("csv", "md", "tex")]


def test_best_is_bold_and_second_underlined_in_each_group(tmp_path):
    frame = pd.DataFrame({"d": ["a", "a", "a", "b", "b"], "HR": [0.1, 0.3, 0.2, 0.9, 0.8]})
    csv, md, tex = save(frame, tmp_path, best={"HR": "max"}, within="d")
    assert [
        md.count(x) for x in ("**0.3000**", "<u>0.2000</u>", "**0.9000**", "<u>0.8000</u>")
    ] == [1, 1, 1, 1]
    assert tex.count(r"\textbf{0.3000}") == tex.count(r"\underline{0.8000}") == 1
    assert csv.splitlines()[1] == "a,0.1"


def test_intervals_and_daggers_join_their_cell_but_stay_numbers_in_csv(tmp_path):
    frame = pd.DataFrame({"HR": [0.5, 0.6], "HR ±": [0.01, None], "HR †": [True, False]})
    csv, md, tex = save(frame, tmp_path)
    assert "0.5000 ± 0.0100†" in md
    assert r"0.5000 $\pm$ 0.0100$^\dagger$" in tex
    assert csv.splitlines()[0] == "HR,HR ±,HR †"
    assert "0.6000 " in md
    assert "0.6000 ±" not in md


def test_text_of_reviews_and_models_cannot_become_markup(tmp_path):
    frame = pd.DataFrame({"text": ["<script>alert(1)</script> | **x** & 5% {a}_b \\end{table}"]})
    _, md, tex = save(frame, tmp_path)
    assert "<script>" not in md
    assert "\\| \\*\\*x\\*\\*" in md
    assert r"\textbackslash{}end\{table\}" in tex
    assert tex.count(r"\end{table}") == 1


def test_the_origin_stands_under_the_table_and_in_the_manifest(tmp_path):
    _, md, _ = save(pd.DataFrame({"a": [1]}), tmp_path)
    assert "Profile smoke; data toy; annotator none; encoder none; users 1,200; seeds 0, 1." in md
    line = json.loads((tmp_path / "data/manifest.jsonl").read_text())
    assert {
        "profile",
        "digest",
        "annotator",
        "encoder",
        "seeds",
        "users",
        "versions",
        "commit",
        "seconds",
    } <= set(line)
    assert set(line["files"]) == {"table1_x.csv", "table1_x.md", "table1_x.tex"}


def test_saving_again_replaces_the_line_and_the_index_shows_everything_once(tmp_path):
    for _ in range(2):
        save(pd.DataFrame({"a": [1]}), tmp_path)
    figure, ax = panels()
    ax.plot([0, 1])
    save_figure(figure, "protocol/figure1_y", tmp_path, caption="A figure.", about=ABOUT)
    index = (tmp_path / "README.md").read_text()
    assert (
        index.count("### table1_x")
        == index.count("![protocol/figure1_y](protocol/figure1_y.png)")
        == 1
    )
    assert "synthetic" in index


def test_figures_are_the_same_bytes_for_the_same_input(tmp_path):
    contents = []
    for run in "ab":
        figure, ax = panels()
        ax.plot([0, 1, 3], **style_of("SASRec"))
        save_figure(figure, "data/figure1_z", tmp_path / run, caption="Z.", about=ABOUT)
        contents.append(
            [(tmp_path / run / f"data/figure1_z.{kind}").read_bytes() for kind in ("png", "svg")]
        )
    assert contents[0] == contents[1]


def test_every_system_has_a_style_of_its_own():
    styles = [tuple(style_of(name).values()) for name in SYSTEM_ORDER]
    assert len(set(styles)) == len(styles)


def test_a_table_without_an_origin_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`about` lacks annotator"):
        save_table(pd.DataFrame({"a": [1]}), "data/t", tmp_path, caption="", about={"profile": "x"})


def test_a_tiny_p_is_never_shown_as_nought(tmp_path):
    _, text, _ = save(pd.DataFrame({"p": [3e-9, 0.0, 0.04]}), tmp_path)
    assert [text.count(shown) for shown in ("3e-09", "0.0000", "0.0400")] == [1, 1, 1]
