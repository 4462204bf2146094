"""Runs of systems: which there are, how a grid of them is run and stored, how their settings are chosen."""

from reprolib.runs.grid import Grid, run_grid, runs
from reprolib.runs.state import NO_VERDICT, mark_tests
from reprolib.runs.systems import FLOORS, build_model, system_names, train, train_model
from reprolib.runs.tuning import search_table, settings_of, tune, tuned_runs

__all__ = [
    "FLOORS",
    "NO_VERDICT",
    "Grid",
    "build_model",
    "mark_tests",
    "run_grid",
    "runs",
    "search_table",
    "settings_of",
    "system_names",
    "train",
    "train_model",
    "tune",
    "tuned_runs",
]
