"""The grid on a real Dask scheduler with two worker processes, one of which is killed half-way."""

import os
import signal
import socket
import subprocess
import sys
import time

import pandas as pd
import pytest

pytest.importorskip("distributed")

from reprolib.runs.grid import run_grid, runs

TESTS = os.path.dirname(__file__)
PRELOAD = """
import sys, time
sys.path.insert(0, {tests!r})
from toy import echo
from reprolib.runs import systems
from reprolib.data import datasets
from reprolib.data.split import leave_one_out
split = leave_one_out(echo(n_users=60), "target", "source")
datasets.load_split = lambda *_: split
real = systems.popularity
def slow(split, seed, progress):
    time.sleep(0.4)
    return real(split, seed, progress)
systems.SYSTEMS["Popularity"] = (slow, {{}})
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """(address, worker processes): a scheduler and two workers that know the toy data."""
    preload = tmp_path / "preload.py"
    preload.write_text(PRELOAD.format(tests=TESTS))
    address = f"tcp://127.0.0.1:{free_port()}"
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        address.rsplit(":", 1)[1],
        "--no-dashboard",
        "--no-show",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = subprocess.Popen(command, **quiet)
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "distributed.cli.dask_worker",
                address,
                "--nthreads",
                "1",
                "--no-dashboard",
                "--no-nanny",
                "--preload",
                str(preload),
            ],
            **quiet,
        )
        for _ in range(2)
    ]
    from distributed import Client

    with Client(address, timeout=30) as client:
        client.wait_for_workers(2, timeout=60)
    yield address, workers
    for process in [*workers, scheduler]:
        process.kill()
        process.wait()


def test_a_grid_survives_the_death_of_a_worker_and_comes_out_the_same(
    cluster, tmp_path, monkeypatch
):
    from toy import echo

    from reprolib.data import datasets
    from reprolib.data.split import leave_one_out

    split = leave_one_out(echo(n_users=60), "target", "source")
    monkeypatch.setattr(datasets, "load_split", lambda *_: split)
    address, workers = cluster
    cells = runs(["Popularity"], "echo", "source->target", range(12))

    def kill_one_when_three_are_stored():
        while len(list((tmp_path / "far").glob("*.parquet"))) < 3:
            time.sleep(0.05)
        workers[0].send_signal(signal.SIGKILL)

    import threading

    killer = threading.Thread(target=kill_one_when_three_are_stored)
    killer.start()
    far = run_grid(cells, store=tmp_path / "far", scheduler=address, progress=False)
    killer.join()
    assert workers[0].wait(5) == -signal.SIGKILL
    near = run_grid(cells, store=tmp_path / "near", progress=False)
    assert far.failures == []
    pd.testing.assert_frame_equal(far.ranks, near.ranks)
