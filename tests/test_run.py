import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from reprolib import run_notebooks as run
from reprolib.cli import main
from reprolib.project import root_folder
from reprolib.run_notebooks import INTERRUPTED, one_sentence, run_notebooks

BODIES = {
    "10_good": ["from pathlib import Path", "Path(FIGURES, 'x.txt').write_text(str(X))"],
    "11_bad": [
        "1 + 1",
        "raise ValueError('the set is absent; get it with\\n    reprolib data get NAME')",
    ],
    "12_grid": [
        "print('2 runs')\nprint('failed: SASRec on world, seed 0: ValueError: no')",
        "print('failed: BPR-MF on world, seed 0: ValueError: no')\nprint('not failed: x')",
    ],
    "90_last": ["open(FIGURES + '/x.txt').read()"],
}
PARAMETERS = 'FIGURES = "figures"  # where\nX = 1  # a number'


def write_notebook(path, *sources):
    """A notebook with a parameters cell and the given code cells."""
    cells = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {"tags": ["parameters"]} if number == 0 else {},
            "outputs": [],
            "execution_count": None,
            "id": f"c{number}",
        }
        for number, source in enumerate([PARAMETERS, *sources])
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A project of four tiny notebooks: one runs, one raises in its third cell, one prints what a grid prints about
    failed runs, and the last reads what the first wrote."""
    (tmp_path / "params" / "smoke").mkdir(parents=True)
    for name, sources in BODIES.items():
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", *sources)
    monkeypatch.setattr(run, "root_folder", lambda: tmp_path)
    return tmp_path


def test_a_failed_notebook_is_named_with_its_cell_and_the_others_run(house):
    before = {p: p.read_bytes() for p in (house / "notebooks").iterdir()}
    outcomes = {
        o.notebook: o.error
        for o in run_notebooks(profile="smoke", overrides={"X": 7}, progress=False)
    }
    assert outcomes["10_good.ipynb"] == outcomes["90_last.ipynb"] == ""
    assert outcomes["11_bad.ipynb"] == (
        "cell 3: ValueError: the set is absent; get it with reprolib data get NAME"
    )
    assert (house / "figures/smoke/x.txt").read_text() == "7"
    pages = {page.stem for page in (house / "figures/smoke/notebooks").glob("*.html")}
    assert pages == set(BODIES)
    assert {p: p.read_bytes() for p in (house / "notebooks").iterdir()} == before


def test_the_command_says_what_failed_and_exits_with_one(house):
    result = CliRunner().invoke(main, ["run", "11", "--profile", "smoke"])
    assert result.exit_code == 1
    assert "0 of 1 notebooks ran" in result.output
    assert "11_bad.ipynb, cell 3: ValueError: the set is absent" in result.output
    assert "reprolib data get NAME" in result.output


def test_a_notebook_whose_grid_reports_failed_runs_has_failed(house):
    result = CliRunner().invoke(main, ["run", "12", "--profile", "smoke"])
    assert result.exit_code == 1
    sentence = "a run failed: SASRec on world, seed 0: ValueError: no (and 1 more)"
    assert f"12_grid.ipynb, {sentence}" in result.output
    page = (house / "figures/smoke/notebooks/12_grid.html").read_text()
    assert sentence in page
    assert 'href="#failure"' in page


def test_a_path_runs_the_file_that_it_names(house, tmp_path):
    mine = tmp_path / "my book" / "10_good.ipynb"
    write_notebook(mine, "from pathlib import Path", "Path(FIGURES, 'mine.txt').write_text('mine')")
    outcomes = run_notebooks((str(mine), "10", "10_good"), "smoke", progress=False)
    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert (house / "figures/smoke/mine.txt").read_text() == "mine"
    copies = {copy.name for copy in (house / "figures/smoke/notebooks").glob("*.ipynb")}
    assert copies == {"10_good.ipynb", "my book-10_good.ipynb"}


def test_a_full_disk_is_one_sentence(house, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "_write_page", full)
    (outcome,) = run_notebooks(("10",), "smoke", progress=False)
    assert outcome.error == (
        "the disk is full; free some space or choose another folder with --figures"
    )
    monkeypatch.setattr("reprolib.report.write_index", full)
    result = CliRunner().invoke(main, ["run", "10", "-p", "smoke"])
    assert result.exit_code == 1
    assert "Error: the disk is full; free some space" in result.output


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("jobs", "end"),
    [
        ("1", lambda process: os.killpg(process.pid, signal.SIGINT)),
        ("2", subprocess.Popen.terminate),
    ],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_an_interrupted_run_lists_what_ran_and_leaves_no_kernel(house, jobs, end):
    pid_file = house / "kernel.pid"
    waiting = (
        f"import os, time\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    write_notebook(house / "notebooks" / "13_long.ipynb", waiting)
    code = (
        "from pathlib import Path; from reprolib import run_notebooks as run; from reprolib.cli import main;"
        f"run.root_folder = lambda: Path({str(house)!r}); main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", "10", "13", "-p", "smoke", "-j", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    for _ in range(600):
        if pid_file.exists() and pid_file.read_text():
            break
        time.sleep(0.1)
    end(process)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert jobs == "2" or "10_good.ipynb, ran in" in output
    assert f"13_long.ipynb, {INTERRUPTED}" in output
    kernel = int(pid_file.read_text())
    for _ in range(100):  # a kernel whose parent was killed looks for it once a second
        if not is_running(kernel):
            break
        time.sleep(0.1)
    assert not is_running(kernel)


def test_the_sentence_keeps_the_line_with_the_cure():
    assert one_sentence("absent; get it with\n    reprolib data get X\n") == (
        "absent; get it with reprolib data get X"
    )
    assert one_sentence("\n".join("abcdefghij")) == "a ... j"
    assert one_sentence("") == "no message"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--set", "Y=1", "-p", "smoke"], "none of the chosen notebooks has that parameter"),
        (["run", "15", "-p", "smoke"], "'15' is no notebook"),
        (["run", "elsewhere/10_good.ipynb", "-p", "smoke"], "there is no such file"),
        (["run", "-p", "smoke", "--set", "X=abc"], "X is 'abc'; a whole number is expected"),
        (["run", "-p", "smoke", "--set", "X=[1,2"], "--set X: '[1,2' is not YAML"),
        (["run", "-p", "smoke", "--set", "X={a: 1}"], "--set X: '{a: 1}' is nested"),
        (["run", "-p", "smoek"], "did you mean smoke"),
        (["run", "--set", "X"], "is not KEY=VALUE"),
    ],
)
def test_bad_arguments_are_one_sentence_before_anything_runs(house, arguments, sentence):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert not (house / "figures").exists()


def test_a_wrong_value_is_refused_before_a_kernel_starts():
    result = CliRunner().invoke(main, ["run", "00", "-p", "smoke", "--set", "EPOCHS=abc"])
    assert result.exit_code == 1
    assert "EPOCHS is 'abc'; a whole number is expected, e.g. 40" in result.output


def test_a_figures_folder_that_cannot_be_made_is_one_sentence(house):
    (house / "file").write_text("")
    result = CliRunner().invoke(main, ["run", "10", "-p", "smoke", "--figures", f"{house}/file/x"])
    assert result.exit_code == 1
    assert "cannot be made into a folder for figures (Not a directory)" in result.output


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

    root = root_folder()
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


def test_known_warnings_of_libraries_are_not_shown_and_others_are(house):
    import nbformat

    sources = (
        "import warnings\n"
        "warnings.warn('`is_gradient_checkpointing` is deprecated and will be removed', FutureWarning)\n"
        "warnings.warn('Converting a tensor with requires_grad=True to a scalar may')\n"
        "warnings.warn('an overflow that a reader must see', RuntimeWarning)"
    )
    write_notebook(house / "notebooks" / "14_loud.ipynb", sources)
    (outcome,) = run_notebooks(("14",), "smoke", progress=False)
    assert outcome.error == ""
    copy = nbformat.read(str(house / "figures/smoke/notebooks/14_loud.ipynb"), as_version=4)
    printed = "".join(output.text for output in copy.cells[-1].outputs)
    assert "a reader must see" in printed
    assert "gradient" not in printed
    assert "tensor" not in printed
    assert "TCP" not in printed


def test_the_kernel_writes_nothing_to_the_terminal(house, capfd):
    run_notebooks(("10",), "smoke", progress=False)
    assert "Kernel" not in capfd.readouterr().err


@pytest.fixture
def committed(tmp_path):
    """A git checkout with one committed table in figures/quick, which was rendered again with another value."""
    import subprocess

    folder = tmp_path / "figures" / "quick"
    folder.mkdir(parents=True)
    (folder / "table1.csv").write_text("system,HR\nSASRec,0.1\n")
    name = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*name, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (folder / "table1.csv").write_text("system,HR\nSASRec,0.2\n")
    return folder


def test_what_was_rendered_is_compared_with_what_git_holds(committed):
    from reprolib.committed_figures import committed_folder

    with committed_folder(committed) as reference:
        assert (reference / "table1.csv").read_text().endswith("SASRec,0.1\n")
    assert not reference.exists()
    (committed / "new").mkdir()
    with pytest.raises(ValueError, match="git holds no committed version"):
        committed_folder(committed / "new").__enter__()
    with pytest.raises(ValueError, match="there is no such folder"):
        committed_folder(committed / "absent").__enter__()


def test_compare_prints_a_line_per_table_and_fails_where_a_cell_differs(committed, monkeypatch):
    import sys
    import types

    import pandas as pd

    def compare_folders(new, reference):
        values = [(folder / "table1.csv").read_text().split(",")[-1] for folder in (new, reference)]
        verdict = "equal" if values[0] == values[1] else "different"
        columns = ["table", "row", "column", "committed", "new", "verdict"]
        return pd.DataFrame([["table1", "SASRec", "HR", *values[::-1], verdict]], columns=columns)

    module = types.SimpleNamespace(compare_folders=compare_folders)
    monkeypatch.setitem(sys.modules, "reprolib.report.compare", module)
    result = CliRunner().invoke(main, ["compare", str(committed)])
    assert result.exit_code == 1
    assert "table1: 1 different" in result.output
    assert "1 cells compared, 1 different or missing" in result.output
    result = CliRunner().invoke(main, ["compare", str(committed), str(committed)])
    assert result.exit_code == 0
    assert "table1: 1 equal" in result.output
