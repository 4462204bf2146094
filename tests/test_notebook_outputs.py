"""What notebooks save, read off their source: one number per table and part, and no origin typed by hand."""

import ast
import re

import pandas as pd
import pytest

from reprolib.project import notebook_source, notebooks, read_notebook, root_folder

ROOT = root_folder()
NOTEBOOKS = notebooks(ROOT)
BY_HAND = re.compile(r"\bOrigin\(|\bprovenance\(|\bsave_table\(|\bsave_figure\(")


def code_of(notebook):
    cells = [cell for cell in read_notebook(notebook)["cells"] if cell["cell_type"] == "code"]
    return "\n".join(notebook_source(cell) for cell in cells)


def calls_of(tree, name):
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) == name]


def numbers_of(notebook):
    """(part, kind, number as it stands in the source) of every table and figure of a notebook."""
    tree = ast.parse(code_of(notebook))
    parts = [ast.literal_eval(call.args[0]) for call in calls_of(tree, "Report")]
    assert len(set(parts)) <= 1, f"{notebook.name} makes tables for several parts: {parts}"
    return [
        (parts[0], kind, ast.unparse(call.args[0]).strip("'\""))
        for kind in ("table", "figure")
        for call in calls_of(tree, f"report.{kind}")
    ]


def test_a_number_stands_for_one_table_or_figure_of_its_part():
    places = {}
    for notebook in NOTEBOOKS:
        for number in numbers_of(notebook):
            places.setdefault(number, []).append(notebook.name)
    assert {number: names for number, names in places.items() if len(names) > 1} == {}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_origin_is_typed_by_hand(notebook):
    source = code_of(notebook)
    assert BY_HAND.findall(source) == []
    for kind in ("table", "figure"):
        for call in calls_of(ast.parse(source), f"report.{kind}"):
            origins = [word.value for word in call.keywords if word.arg == "of"]
            assert len(origins) == 1, f"{ast.unparse(call)[:60]} has no `of`"
            assert not isinstance(origins[0], ast.Constant), f"{ast.unparse(call)[:60]}"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_needs_at_most_eight_imports(notebook):
    tree = ast.parse(code_of(notebook))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(imports) <= 8


def test_what_notebook_02_says_of_profile_real_stands_in_its_table():
    said = "SASRec-SSM is best among all items of Food and Kitchen, SASRec among a hundred"
    cells = read_notebook(notebooks(ROOT, ("02",))[0])["cells"]
    assert said in " ".join(" ".join(map(notebook_source, cells)).split())
    path = ROOT / "figures" / "real" / "protocol" / "table2_full_vs_sampled.csv"
    table = pd.read_csv(path).set_index("system")
    for _, part in table.groupby("direction"):
        assert part["NDCG@10 full"].idxmax() == "SASRec-SSM"
        assert part["NDCG@10 among 100"].idxmax() == "SASRec"
