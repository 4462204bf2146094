"""Stored ranks, judged again: a table and paired tests for every data set and direction. Nothing is trained."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.significance import against_each
from reprolib.evaluate.summary import summarise
from reprolib.runs.read_store import load_store
from reprolib.runs.state import NO_VERDICT, mark_tests
from reprolib.runs.systems import FLOORS


def judged_places(
    store: Path, dataset: str | None, metric: str, sampled: int | None
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """(heading, systems, tests) of each data set, direction and protocol of a store.

    dataset  only this one; sampled: expected among so many negatives, else full ranking
    systems  one row a system: the metric with its 95 % half-width, how training ended, users, seeds
    tests    the best system against every other one in full ranking, paired over users, with the reason why a row
             carries no verdict; empty where one system ran
    """
    stored = load_store(store, [dataset] if dataset else None)
    places = ["dataset", "direction"]
    for (name, direction), ranks in stored.ranks.groupby(places, sort=True, observed=True):
        at_place = (stored.cost["dataset"] == name) & (stored.cost["direction"] == direction)
        cost = stored.cost[at_place]
        question = f"among {sampled} sampled negatives" if sampled else "full ranking"
        table = summarise(ranks, [metric], sampled=sampled)
        states = stored.states[
            (stored.states["dataset"] == name) & (stored.states["direction"] == direction)
        ]
        training = dict(zip(labels(states), states["training"], strict=True))
        table = pd.DataFrame(
            {
                "system": labels(table),
                metric: table[metric].round(4),
                "±": table[f"{metric} ±"].round(4),
                "training": [training.get(label, "") for label in labels(table)],
                "users": table["users"],
                "seeds": table["seeds"],
            }
        ).sort_values(metric, ascending=False)
        tests = pd.DataFrame()
        if len(table) > 1:
            best = table["system"].iloc[0]
            tests = mark_tests(against_each(ranks, metric, best, FLOORS), ranks, cost)
            tests = tests[["system", "rival", "difference", "gain %", "p", NO_VERDICT]]
        yield f"{name}, {direction}: {metric}, {question}", table, tests
