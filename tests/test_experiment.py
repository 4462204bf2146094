import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from toy import echo

from reprolib.cli import main
from reprolib.data import datasets
from reprolib.data.split import leave_one_out
from reprolib.runs import grid as experiment
from reprolib.runs.grid import Run, collect, read_info, run_grid, runs

OPTIONS = {"epochs": 2, "patience": 2}


@pytest.fixture(autouse=True)
def toy_data(monkeypatch):
    """Every data set name is the echo toy."""
    split = leave_one_out(echo(n_users=60), "target", "source")
    monkeypatch.setattr(datasets, "load_split", lambda *_: split)


def cells(systems=("Popularity", "SASRec"), seeds=(0, 1), **options):
    return runs(systems, "echo", "source->target", seeds, **OPTIONS | options)


def test_a_grid_is_every_system_and_seed_and_gives_one_rank_table(tmp_path):
    grid = run_grid(cells(), store=tmp_path, progress=False)
    assert grid.ranks.groupby(["system", "seed"]).size().to_dict() == {
        (s, k): 60 for s in ("Popularity", "SASRec") for k in (0, 1)
    }
    assert grid.cost["parameters"].tolist()[:2] == [0, 0]
    assert grid.failures == []


def test_what_is_stored_is_not_run_again(tmp_path, monkeypatch):
    first = run_grid(cells(), store=tmp_path, progress=False)
    monkeypatch.setattr(experiment, "execute", lambda *_: pytest.fail("ran again"))
    pd.testing.assert_frame_equal(
        run_grid(cells(), store=tmp_path, progress=False).ranks, first.ranks
    )


def test_another_option_seed_or_code_is_another_cell(monkeypatch):
    base = Run("SASRec", "echo", "target", options=(("epochs", 2),))
    digests = {
        experiment.cell_digest(r)
        for r in (
            base,
            dataclasses.replace(base, seed=1),
            dataclasses.replace(base, options=(("epochs", 3),)),
        )
    }
    monkeypatch.setattr(experiment, "code_digest", lambda _: "other")
    assert len(digests | {experiment.cell_digest(base)}) == 4


def test_the_code_that_matters_is_what_a_system_imports():
    source = experiment._source("SASRec")
    names = {
        p.relative_to(Path(experiment.__file__).parents[1]).as_posix()
        for p in experiment._imported(source)
    }
    assert {
        "baselines/sasrec.py",
        "nn/encoder.py",
        "training/loop.py",
        "training/batches.py",
        "data/split.py",
    } <= names
    assert not {"baselines/bpr_mf.py", "evaluate/metrics.py", "report/tables.py"} & names
    assert experiment.code_digest("SASRec") != experiment.code_digest("BPR-MF")


@pytest.mark.parametrize("damage", [b"", b"PAR1 half a file", None])
def test_a_half_written_or_foreign_cell_is_redone(tmp_path, damage):
    whole = run_grid(cells(["Popularity"], [0]), store=tmp_path, progress=False)
    path = next(tmp_path.glob("*.parquet"))
    if damage is None:
        pd.DataFrame({"a": [1]}).to_parquet(path)
    else:
        path.write_bytes(damage)
    again = run_grid(cells(["Popularity"], [0]), store=tmp_path, progress=False)
    pd.testing.assert_frame_equal(again.ranks, whole.ranks)


def test_a_failed_cell_is_reported_and_the_rest_goes_on(tmp_path, capsys):
    bad = runs(["SASRec"], "echo", "source->target", [0], heads=7)
    grid = run_grid([*bad, *cells(["Popularity"], [0])], store=tmp_path, progress=False)
    assert grid.ranks["system"].unique().tolist() == ["Popularity"]
    assert grid.failures[0].run == bad[0]
    assert "Traceback" in grid.failures[0].traceback
    assert "failed: SASRec on echo, seed 0:" in capsys.readouterr().out


def test_an_interrupted_training_stores_nothing(tmp_path, monkeypatch):
    from reprolib.training import loop as train

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        run_grid(cells(["SASRec"], [0]), store=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_two_cells_never_share_a_gpu(tmp_path, monkeypatch):
    import torch

    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with experiment.own_device(tmp_path) as one, experiment.own_device(tmp_path) as two:
        assert {one, two} == {0, 1}
    with experiment.own_device(tmp_path) as again:
        assert again == 0
    assert chosen == [0, 1, 0]


def test_labels_name_the_same_system_twice(tmp_path):
    both = [*cells(["Popularity"], [0]), *cells(["Popularity"], [0], label="{system}, again")]
    assert set(run_grid(both, store=tmp_path, progress=False).ranks["system"]) == {
        "Popularity",
        "Popularity, again",
    }


def test_unknown_names_are_one_sentence():
    with pytest.raises(ValueError, match="did you mean Popularity"):
        runs(["Populrity"], "echo", "a->b")
    with pytest.raises(ValueError, match="did you mean epochs"):
        runs(["SASRec"], "echo", "a->b", epoch=2)


def test_results_are_listed_shown_and_pruned(tmp_path):
    run_grid(cells(["Popularity"], [0]), store=tmp_path, progress=False)
    (tmp_path / "broken.parquet").write_bytes(b"x")

    def call(*arguments):
        return CliRunner().invoke(main, ["results", "--store", str(tmp_path), *arguments]).output

    listing = call("list")
    assert "Popularity" in listing
    assert "1 runs" in listing
    assert "broken  unreadable" in listing
    digest = next(line for line in listing.splitlines() if "Popularity" in line).split()[0]
    assert '"parameters": 0' in call("show", digest[:8])
    assert "removed 1 files" in call("prune")
    assert len(list(tmp_path.glob("*.parquet"))) == 1


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from toy import echo
from reprolib.runs import systems
from reprolib.data import datasets
from reprolib.data.split import leave_one_out
from reprolib.runs.grid import run_grid, runs
split = leave_one_out(echo(n_users=60), "target", "source")
datasets.load_split = lambda *_: split
real = systems.popularity
def slow(split, seed, progress):
    time.sleep(0.3)
    return real(split, seed, progress)
systems.SYSTEMS["Popularity"] = (slow, {{}})
run_grid(runs(["Popularity"], "echo", "source->target", range(8)), store={store!r}, progress=False)
"""


def slow_grid(folder):
    """A script that runs eight slow cells into `folder`."""
    path = folder / "slow.py"
    path.write_text(KILLED.format(tests=os.path.dirname(__file__), store=str(folder)))
    return path


def test_a_run_killed_with_kill_9_loses_only_the_cell_in_flight(tmp_path):
    script = slow_grid(tmp_path)
    process = subprocess.Popen([sys.executable, script])
    while len(list(tmp_path.glob("*.parquet"))) < 3 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = [p for p in tmp_path.glob("*.parquet") if read_info(p)]
    assert 3 <= len(done) < 8
    assert len(done) == len(list(tmp_path.glob("*.parquet")))
    subprocess.run([sys.executable, script], check=True)
    assert len([p for p in tmp_path.glob("*.parquet") if read_info(p)]) == 8
    assert all(p in list(tmp_path.glob("*.parquet")) for p in done)


def test_two_processes_on_one_store_do_not_corrupt_it(tmp_path):
    script = slow_grid(tmp_path)
    both = [subprocess.Popen([sys.executable, script]) for _ in range(2)]
    assert [p.wait() for p in both] == [0, 0]
    stored = {
        Run("Popularity", "echo", "target", seed=s): p.stem
        for s, p in enumerate(tmp_path.glob("*.parquet"))
    }
    assert len(collect(stored, tmp_path, []).ranks) == 8 * 60
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []
