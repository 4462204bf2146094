"""Every notebook and its solutions, executed in profile smoke from an empty folder."""

import re

import papermill
import pytest

from reprolib.project import declared, notebooks, parameters, root_folder

ROOT = root_folder()
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))


def execute(path, values, folder):
    papermill.execute_notebook(
        str(path),
        str(folder / path.name),
        parameters=values,
        cwd=str(folder),
        progress_bar=False,
        kernel_name="python3",
    )


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", notebooks(ROOT), ids=lambda path: path.stem)
def test_it_runs_from_any_folder_and_writes_what_it_promises(notebook, tmp_path):
    figures = tmp_path / "figures"
    execute(notebook, parameters(ROOT, "smoke", notebook) | {"FIGURES": str(figures)}, tmp_path)
    source = notebook.read_text("utf-8")
    for kind, suffixes in (("table", ("csv", "md", "tex")), ("figure", ("png", "svg"))):
        for name in re.findall(rf'"(\w+/{kind}\d+_\w+)\\?"', source):
            if (figures / name).with_suffix(".csv").exists() or name not in OPTIONAL:
                assert [s for s in suffixes if not (figures / f"{name}.{s}").exists()] == [], name
    assert (figures / "README.md").exists()


# only where real data are configured
OPTIONAL = {"protocol/table3_published", "persona4rec/table4_profiles", "semacdr/table9_benchmark"}


@pytest.mark.notebook
@pytest.mark.parametrize("notebook", SOLUTIONS, ids=lambda path: path.stem)
def test_the_solutions_run(notebook, tmp_path):
    small = {
        "DATASET": "world-smoke/food-kitchen",
        "SIZE": "smoke",
        "EPOCHS": 2,
        "PROFILE": "smoke",
        "FIGURES": str(tmp_path),
    }
    execute(notebook, {k: v for k, v in small.items() if k in declared(notebook)}, tmp_path)


def test_every_notebook_with_exercises_has_solutions():
    for path in notebooks(ROOT):
        if "Exercises" in path.read_text("utf-8"):
            assert (ROOT / "notebooks" / "solutions" / path.name).exists(), path.name
