"""The grid on a real Dask scheduler with two worker processes, one of which is killed half-way."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("distributed")

from reprolib.runs import grid as engine
from reprolib.runs.grid import run_grid, runs
from reprolib.runs.systems import SYSTEMS

TESTS = str(Path(__file__).parents[1])
PRELOAD = """
import sys
sys.path.insert(0, {tests!r})
import slow_toy
slow_toy.SECONDS = 0.4
slow_toy.install()
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
    import slow_toy

    monkeypatch.setattr(engine, "load_dataset", lambda *_: None)
    monkeypatch.setattr(engine, "code_digest", lambda _: None)
    monkeypatch.setitem(SYSTEMS, "Popularity", SYSTEMS["Popularity"])
    slow_toy.install()
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
