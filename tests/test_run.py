import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from reprolib import project as check
from reprolib import run_notebooks as run
from reprolib.cli import main
from reprolib.run_notebooks import run_notebooks


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A project of three tiny notebooks: one runs, one fails in its third cell, the last reads what the first wrote."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "params" / "smoke").mkdir(parents=True)
    start = 'FIGURES = "figures"  # where\nX = 1  # a number'
    bodies = {
        "10_good": ["from pathlib import Path", "Path(FIGURES, 'x.txt').write_text(str(X))"],
        "11_bad": ["1 + 1", "raise ValueError('the third cell\\nsecond line')"],
        "90_last": ["open(FIGURES + '/x.txt').read()"],
    }
    for name, sources in bodies.items():
        cells = [
            {
                "cell_type": "code",
                "source": s,
                "metadata": {"tags": ["parameters"]} if s is start else {},
                "outputs": [],
                "execution_count": None,
                "id": f"c{i}",
            }
            for i, s in enumerate([start, *sources])
        ]
        kernel = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
        content = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content))
    monkeypatch.setattr(run, "root_folder", lambda: tmp_path)
    monkeypatch.setattr(check, "root_folder", lambda: tmp_path)
    return tmp_path


def test_a_failed_notebook_is_named_with_its_cell_and_the_others_run(house):
    before = {p: p.read_bytes() for p in (house / "notebooks").iterdir()}
    outcomes = {
        o.notebook: o.error
        for o in run_notebooks(profile="smoke", overrides={"X": 7}, progress=False)
    }
    assert outcomes["10_good.ipynb"] == outcomes["90_last.ipynb"] == ""
    assert outcomes["11_bad.ipynb"] == "cell 3: ValueError: the third cell"
    assert (house / "figures/smoke/x.txt").read_text() == "7"
    assert {p.name for p in (house / "figures/smoke/notebooks").glob("*.html")} == {
        "10_good.html",
        "11_bad.html",
        "90_last.html",
    }
    assert {p: p.read_bytes() for p in (house / "notebooks").iterdir()} == before


def test_the_command_says_what_failed_and_exits_with_one(house):
    result = CliRunner().invoke(main, ["run", "11", "--profile", "smoke"])
    assert result.exit_code == 1
    assert "0 of 1 notebooks ran" in result.output
    assert "11_bad.ipynb, cell 3: ValueError: the third cell" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--set", "Y=1", "-p", "smoke"], "none of the chosen notebooks has that parameter"),
        (["run", "12", "-p", "smoke"], "'12' is no notebook"),
        (["run", "-p", "smoek"], "did you mean smoke"),
        (["run", "--set", "X"], "is not KEY=VALUE"),
    ],
)
def test_bad_arguments_are_one_sentence_before_anything_runs(house, arguments, sentence):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert sentence in result.output
    assert not (house / "figures").exists()


def test_help_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from click.testing import CliRunner; from reprolib.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print([m for m in ('torch', 'pandas', 'polars', 'numpy', 'papermill', 'matplotlib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


def test_list_shows_every_notebook_with_its_title():
    output = CliRunner().invoke(main, ["list"]).output
    assert "02_protocol" in output
    assert "Protocol: the same models, other numbers" in output


def test_a_notebook_runs_under_plain_papermill(tmp_path):
    """The command of the documentation, without reprolib run, from the project's root."""
    import subprocess
    import sys

    root = Path(check.__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "papermill",
        "-f",
        "params/smoke/common.yaml",
        "-f",
        "params/smoke/00_start_here.yaml",
        "-p",
        "FIGURES",
        str(tmp_path / "figures"),
        "notebooks/00_start_here.ipynb",
        str(tmp_path / "out.ipynb"),
        "-k",
        "python3",
    ]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    assert (tmp_path / "figures/protocol/table0_first_look.csv").exists()
