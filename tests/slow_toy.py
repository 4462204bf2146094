"""A slow Popularity on the echo toy, for processes that are killed while they run a grid."""

import time

from toy import echo

from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.runs import grid
from reprolib.runs.systems import SYSTEMS, System

SECONDS = 0.3


def slow(dataset, seed, progress):
    from reprolib.baselines.popularity import popularity

    time.sleep(SECONDS)
    return popularity(dataset, seed, progress)


def install():
    """Every data set is the toy, and Popularity is slow."""
    dataset = Dataset(leave_one_out(echo(n_users=60), "target", "source"))
    grid.load_dataset = lambda *_: dataset
    grid.code_digest = lambda _: "slow"
    SYSTEMS["Popularity"] = System("slow_toy", "slow")
