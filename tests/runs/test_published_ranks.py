"""Published ranks: used instead of training, with and without the data, and never for other data."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from toy import echo

from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.runs import grid as engine
from reprolib.runs import published_ranks, run_grid, runs
from reprolib.runs.judge import judged_places
from reprolib.runs.published_ranks import RETRAIN, publish

CELLS = runs(["Popularity", "SASRec"], "real", "source->target", [0, 1], epochs=2, patience=2)


def dataset_of(seed=0):
    return Dataset(leave_one_out(echo(n_users=60, seed=seed), "target", "source"))


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder with the published runs of CELLS, and the grid that made them; their data are here."""
    dataset = dataset_of()
    monkeypatch.setattr(engine, "load_dataset", lambda *_: dataset)
    store, folder = tmp_path / "made", tmp_path / "ranks"
    made = run_grid(CELLS, store=store, progress=False)
    assert len(publish(store, folder)) == len(CELLS)
    monkeypatch.setattr(published_ranks, "published_folder", lambda: folder)
    monkeypatch.setattr(engine, "execute", lambda *_: pytest.fail("trained"))
    return folder, made


def test_published_runs_are_not_trained_and_are_named(published, tmp_path, capsys):
    _, made = published
    again = run_grid(CELLS, store=tmp_path / "empty", progress=False)
    pd.testing.assert_frame_equal(again.ranks, made.ranks)
    pd.testing.assert_frame_equal(again.cost, made.cost)
    assert "4 runs are published ranks (figures/real/ranks)" in capsys.readouterr().out


def test_they_serve_without_the_data(published, tmp_path, monkeypatch):
    _, made = published

    def absent(*_):
        raise DataError("real: not here")

    monkeypatch.setattr(engine, "load_dataset", absent)
    again = run_grid(CELLS, store=tmp_path / "empty", progress=False)
    assert again.failures == []
    pd.testing.assert_frame_equal(again.ranks, made.ranks)


def test_code_that_changed_since_is_said(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine, "code_digest", lambda _: "other")
    run_grid(CELLS, store=tmp_path / "empty", progress=False)
    assert "The code has changed since for Popularity, SASRec." in capsys.readouterr().out


def test_other_data_or_other_options_are_not_served(published, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "execute", lambda run, *_: (run, "trained"))
    monkeypatch.setattr(engine, "_failure", lambda run, error: error)
    found = engine._published(CELLS, None)
    assert set(found) == set(CELLS)
    longer = [dataclasses.replace(run, options=(("epochs", 3),)) for run in CELLS if run.options]
    assert engine._published(longer, None) == {}
    other = dataset_of(seed=1)
    monkeypatch.setattr(engine, "load_dataset", lambda *_: other)
    assert engine._published(CELLS, None) == {}


def test_an_option_that_is_new_counts_as_having_had_its_default(published, monkeypatch):
    before = engine.options_of
    monkeypatch.setattr(engine, "options_of", lambda name: before(name) | {"new": 1})
    resolved = {run: run.resolved for run in CELLS}
    for run, options in resolved.items():
        defaults = engine.options_of(run.system)
        assert published_ranks.find_published(run.factors, options | {"new": 1}, defaults)
        assert not published_ranks.find_published(run.factors, options | {"new": 2}, defaults)


def test_a_damaged_published_file_is_named_and_not_used(published, capsys):
    folder, _ = published
    for path in folder.glob("*.parquet"):
        content = bytearray(path.read_bytes())
        content[40] ^= 1
        path.write_bytes(bytes(content))
    assert engine._published(CELLS, None) == {}
    assert "check the file out again" in capsys.readouterr().out


def test_retraining_ignores_them(monkeypatch):
    monkeypatch.setenv(RETRAIN, "1")
    assert published_ranks.published_folder() is None


def test_worlds_are_not_published_and_a_newer_run_replaces_the_older(published, tmp_path):
    folder, _ = published
    store = tmp_path / "made"
    names = {path.name for path in folder.glob("*.parquet")}
    newer = next(iter(sorted(store.glob("*.parquet"))))
    newer.rename(store / "newer.parquet")
    publish(store, folder)
    after = {path.name for path in folder.glob("*.parquet")}
    assert len(after) == len(names)
    assert "newer.parquet" in after


def test_stored_ranks_are_judged_without_training(published, tmp_path):
    places = list(judged_places(tmp_path / "made", None, "NDCG@10", None))
    ((heading, table, tests),) = places
    assert heading == "real, source->target: NDCG@10, full ranking"
    assert set(table["system"]) == {"Popularity", "SASRec"}
    assert np.isfinite(table["NDCG@10"]).all()
    assert len(tests) == 1
