"""Every notebook and its solutions, executed in profile smoke from an empty folder."""

import re

import pytest

from reprolib.project import declared, notebooks, parameters, root_folder
from reprolib.run_notebooks import execute

ROOT = root_folder()
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
KINDS = {"table": {".csv", ".md", ".tex"}, "figure": {".png", ".svg"}}


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", notebooks(ROOT), ids=lambda path: path.stem)
def test_it_runs_from_any_folder_and_writes_what_it_promises(notebook, tmp_path):
    figures = tmp_path / "figures"
    values = parameters(ROOT, "smoke", notebook, {"FIGURES": str(figures)})
    copy = tmp_path / "copies" / notebook.name
    outcome = execute(notebook, values, copy, threads=1)
    assert outcome.error == ""
    written = {}
    for path in figures.rglob("*"):
        if re.match(r"(table|figure)\d", path.name):
            written.setdefault(path.with_suffix(""), set()).add(path.suffix)
    assert written, "no table and no figure"
    for name, suffixes in written.items():
        kind = re.match("table|figure", name.name)[0]
        assert suffixes >= KINDS[kind], f"{name.name}: {sorted(KINDS[kind] - suffixes)} missing"
    assert (figures / "README.md").exists()
    page = copy.with_suffix(".html").read_text("utf-8")
    assert "<h1" in page
    assert "<script" not in page
    assert 'class="failure"' not in page


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", SOLUTIONS, ids=lambda path: path.stem)
def test_the_solutions_run(notebook, tmp_path):
    small = {
        "DATASET": "world-smoke/food-kitchen",
        "SIZE": "smoke",
        "EPOCHS": 2,
        "PROFILE": "smoke",
        "FIGURES": str(tmp_path / "figures"),
    }
    names = declared(notebook)
    values = {name: value for name, value in small.items() if name in names}
    outcome = execute(notebook, values, tmp_path / "copies" / notebook.name, threads=1)
    assert outcome.error == ""


def test_every_notebook_with_exercises_has_solutions():
    for path in notebooks(ROOT):
        if "Exercises" in path.read_text("utf-8"):
            assert (ROOT / "notebooks" / "solutions" / path.name).exists(), path.name
