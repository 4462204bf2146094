import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from toy import echo

from reprolib.cli import main
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.summary import summarise
from reprolib.runs import grid as engine
from reprolib.runs.grid import Run, cell_digest, run_grid, runs
from reprolib.runs.store import DamagedCell, read_cell
from reprolib.runs.systems import SYSTEMS

OPTIONS = {"epochs": 2, "patience": 2}
TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def toy_data(monkeypatch):
    """Every data set name is the echo toy."""
    dataset = Dataset(leave_one_out(echo(n_users=60), "target", "source"))
    monkeypatch.setattr(engine, "load_dataset", lambda *_: dataset)


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
    monkeypatch.setattr(engine, "execute", lambda *_: pytest.fail("ran again"))
    again = run_grid(cells(), store=tmp_path, progress=False)
    pd.testing.assert_frame_equal(again.ranks, first.ranks)


def test_a_seed_an_option_a_preset_or_code_makes_another_cell(monkeypatch):
    base = Run("SASRec", "echo", "source->target", options=(("epochs", 2),))
    others = [
        dataclasses.replace(base, seed=1),
        dataclasses.replace(base, options=(("epochs", 3),)),
    ]
    digests = {cell_digest(run) for run in (base, *others)}
    monkeypatch.setitem(
        SYSTEMS, "SASRec", dataclasses.replace(SYSTEMS["SASRec"], preset={"loss": "ssm"})
    )
    digests.add(cell_digest(base))
    monkeypatch.setattr(engine, "code_digest", lambda _: "other")
    digests.add(cell_digest(base))
    assert len(digests) == 5


@pytest.mark.parametrize("name", [n for n, s in SYSTEMS.items() if s.preset])
def test_changing_any_preset_changes_the_digest(name, monkeypatch):
    run = Run(name, "echo", "source->target")
    before = cell_digest(run)
    plain = next(n for n, s in SYSTEMS.items() if s.function == SYSTEMS[name].function)
    other = {} if plain != name else {"seedless": True}
    preset = other or {key: "changed" for key in SYSTEMS[name].preset}
    monkeypatch.setitem(SYSTEMS, name, dataclasses.replace(SYSTEMS[name], preset=preset))
    assert cell_digest(run) != before


def test_an_option_that_is_the_default_makes_no_other_cell():
    assert cell_digest(Run("SASRec", "echo", "source->target")) == cell_digest(
        Run("SASRec", "echo", "source->target", options=(("loss", "bce"),))
    )


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


def test_no_flipped_bit_is_read_as_other_data(tmp_path, capsys):
    whole = run_grid(cells(["Popularity"], [0]), store=tmp_path, progress=False)
    path = next(tmp_path.glob("*.parquet"))
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place, bit in zip(rng.integers(0, len(content), 300), rng.integers(0, 8, 300), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(bytes(damaged))
        try:
            cell = read_cell(path)
        except DamagedCell:
            seen = bytes(damaged)
            continue
        if cell is not None:  # a bit that nothing reads, or a cell of "another format"
            pd.testing.assert_frame_equal(cell.ranks, whole.cells[0][1].ranks)
            assert cell.info == whole.cells[0][1].info
    path.write_bytes(seen)
    again = run_grid(cells(["Popularity"], [0]), store=tmp_path, progress=False)
    pd.testing.assert_frame_equal(again.ranks, whole.ranks)
    assert "damaged: " in capsys.readouterr().out


def test_a_failed_cell_is_reported_shown_as_a_hole_and_the_rest_goes_on(tmp_path, capsys):
    bad = runs(["SASRec"], "echo", "source->target", [0], heads=7)
    grid = run_grid([*bad, *cells(["Popularity"], [0])], store=tmp_path, progress=False)
    assert grid.ranks["system"].unique().tolist() == ["Popularity"]
    assert grid.failures[0].run == bad[0]
    assert "Traceback" in grid.failures[0].traceback
    assert "failed: SASRec on echo, source->target, seed 0:" in capsys.readouterr().out
    table = summarise(grid.ranks, ["NDCG@10"], holes=grid.holes)
    hole = table[table["system"] == "SASRec"].iloc[0]
    assert np.isnan(hole["NDCG@10"])
    assert hole["seeds"] == 0


def test_an_interrupted_training_stores_nothing(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_grid(cells(["SASRec"], [0]), store=tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_two_cells_never_share_a_gpu(tmp_path, monkeypatch):
    import torch

    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with engine.own_device(tmp_path) as one, engine.own_device(tmp_path) as two:
        assert {one, two} == {0, 1}
    with engine.own_device(tmp_path) as again:
        assert again == 0
    assert chosen == [0, 1, 0]


def test_variants_are_a_column_and_a_label_is_made_of_the_factors(tmp_path):
    both = [*cells(["Popularity"], [0]), *cells(["Popularity"], [0], variant="again")]
    grid = run_grid(both, store=tmp_path, progress=False)
    assert grid.ranks.groupby(["system", "variant"]).size().to_dict() == {
        ("Popularity", ""): 60,
        ("Popularity", "again"): 60,
    }
    assert grid.cost["label"].tolist() == ["Popularity", "Popularity again"]


def test_the_origin_is_read_off_the_runs(tmp_path):
    grid = run_grid(cells(), store=tmp_path, progress=False)
    assert grid.origin.users == (("echo", 60),)
    assert grid.origin.seeds == (0, 1)
    assert grid.where(seed=1).origin.seeds == (1,)
    assert len(grid.where(system="SASRec").cells) == 2
    assert (grid.where(seed=0) + grid.where(seed=[0, 1])).origin == grid.origin


def test_unknown_names_are_one_sentence():
    with pytest.raises(ValueError, match="did you mean Popularity"):
        runs(["Populrity"], "echo", "a->b")
    with pytest.raises(ValueError, match="did you mean epochs"):
        runs(["SASRec"], "echo", "a->b", epoch=2)
    with pytest.raises(ValueError, match="is no direction"):
        runs(["SASRec"], "echo", "a→b -> c")


def test_results_are_listed_shown_and_pruned(tmp_path):
    run_grid(cells(["Popularity"], [0]), store=tmp_path, progress=False)
    (tmp_path / "broken.parquet").write_bytes(b"x")

    def call(*arguments):
        return CliRunner().invoke(main, ["results", "--store", str(tmp_path), *arguments]).output

    listing = call("list")
    assert "Popularity" in listing
    assert "1 runs" in listing
    assert "broken  damaged" in listing
    digest = next(line for line in listing.splitlines() if "Popularity" in line).split()[0]
    assert '"parameters": 0' in call("show", digest[:8])
    assert "removed 1 files" in call("prune")
    assert len(list(tmp_path.glob("*.parquet"))) == 1


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import slow_toy
from reprolib.runs.grid import run_grid, runs
slow_toy.install()
run_grid(runs(["Popularity"], "echo", "source->target", range(8)), store={store!r}, progress=False)
"""


def slow_grid(folder):
    """A script that runs eight slow cells into `folder`."""
    path = folder / "slow.py"
    path.write_text(KILLED.format(tests=str(TESTS), store=str(folder)))
    return path


def sound(folder):
    return [path for path in folder.glob("*.parquet") if read_cell(path)]


def test_a_run_killed_with_kill_9_loses_only_the_cell_in_flight(tmp_path):
    script = slow_grid(tmp_path)
    process = subprocess.Popen([sys.executable, script])
    while len(list(tmp_path.glob("*.parquet"))) < 3 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sound(tmp_path)
    assert 3 <= len(done) < 8
    assert len(done) == len(list(tmp_path.glob("*.parquet")))
    subprocess.run([sys.executable, script], check=True)
    assert len(sound(tmp_path)) == 8
    assert set(done) <= set(tmp_path.glob("*.parquet"))


def test_two_processes_on_one_store_do_not_corrupt_it(tmp_path):
    script = slow_grid(tmp_path)
    both = [subprocess.Popen([sys.executable, script]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert sum(len(read_cell(path).ranks) for path in tmp_path.glob("*.parquet")) == 8 * 60
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
