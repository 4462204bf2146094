"""The tables of notebook 31: retrieval and rerank, head and tail, known and unknown users, candidate sizes."""

import numpy as np
import pandas as pd

from reprolib.data.split import Split
from reprolib.evaluate.metrics import value
from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.significance import against_each, holm
from reprolib.evaluate.summary import subgroups, summarise
from reprolib.papers.persona_kg.graph import hide_users
from reprolib.runs.grid import Grid
from reprolib.runs.state import UNTRAINED, mark_tests, training_states

RERANK = " + rerank"
BINS = ((0, 3), (4, 6), (7, 10**9))  # training events of a user


def with_state(frame: pd.DataFrame, everything: Grid) -> pd.DataFrame:
    """The frame with labels for systems and the column "training": how each row's training ended.

    everything  the grid whose floors decide which rows are below
    """
    states = training_states(everything.ranks, everything.cost)
    states = dict(zip(labels(states).astype(str), states["training"], strict=True))
    untrained = everything.cost[everything.cost["steps"] == 0]["label"]
    states |= dict.fromkeys(untrained.astype(str), UNTRAINED)
    names = labels(frame).astype(str)
    factors = [c for c in ("variant", "on", "dataset", "direction") if c in frame]
    plain = frame.drop(columns=factors).assign(system=names)
    return plain.assign(training=[states[name] for name in names])


def retrieval_table(grid: Grid) -> pd.DataFrame:
    """HR@10, HR@100 and NDCG@10 of every system with intervals, and how its training ended."""
    return with_state_of(grid, grid)


def with_state_of(grid: Grid, everything: Grid) -> pd.DataFrame:
    """`retrieval_table` of a grid whose floors stand in another."""
    table = with_state(summarise(grid.ranks, ["HR@10", "HR@100", "NDCG@10"]), everything)
    ended = graph_endings(grid)
    return table.assign(HDGI=[ended.get(name, "") for name in table["system"]])


def graph_endings(grid: Grid) -> dict[str, str]:
    """{label: how the training of its graph ended, over its seeds}: "patience", "limit" or both."""
    endings: dict[str, set[str]] = {}
    for run, cell in grid.cells:
        if "hdgi_ended" in cell.info:
            endings.setdefault(run.label, set()).add(cell.info["hdgi_ended"])
    return {label: " and ".join(sorted(ended)) for label, ended in endings.items()}


def rerank_table(before: Grid, after: Grid, everything: Grid) -> pd.DataFrame:
    """generator, stage (before, after), HR@10, NDCG@10, MRR@10, training: candidates as they come and reordered.

    everything  the grid with the floors
    """
    metrics = ["HR@10", "NDCG@10", "MRR@10"]
    rows = []
    for stage, grid in (("before", before), ("after", after)):
        frame = summarise(grid.ranks, metrics)
        training = with_state(frame, everything + before + after)["training"]
        first_stage = frame["system"].map(first_stage_of)
        frame = frame.assign(generator=first_stage, stage=stage, training=training)
        columns = ["generator", "stage", *_with_widths(metrics), "users", "seeds", "training"]
        rows.append(frame[columns])
    return pd.concat(rows, ignore_index=True)


def first_stage_of(system: str) -> str:
    """The generator of a reranked system: "Persona-KG" of "Persona-KG + rerank"."""
    return str(system).removesuffix(RERANK)


def rerank_tests(before: Grid, after: Grid, metric: str, everything: Grid) -> pd.DataFrame:
    """Each generator's reordered candidates (ours) against the same as they come (rival), with `mark_tests`' marks.

    p is Holm-corrected over the generators.
    """
    both = before + after
    rows = []
    for name in before.ranks["system"].astype(str).unique():
        reordered = after.ranks[after.ranks["system"].map(first_stage_of) == name]
        pair = pd.concat([before.where(system=name).ranks, reordered], ignore_index=True)
        ours = str(labels(reordered).iloc[0])
        rows.append(against_each(pair, metric, ours))
    tests = pd.concat(rows, ignore_index=True)
    tests = tests.assign(p=holm(tests["p"]))
    grid = everything + both
    return mark_tests(tests, grid.ranks, grid.cost)


def clock_sentence(split: Split) -> str:
    """Whether the events of a data set can be sessions at all."""
    if split.clock == "order":
        return (
            f"{split.name} has no times: its events stand in the order of the file, and where that order means "
            "nothing, every table below is to be left out."
        )
    return f"{split.name} has times: a session is a user's events in their order."


def tail_table(grid: Grid) -> pd.DataFrame:
    """NDCG@10 and HR@10 where the held-out item is among the 20 % most popular (head) or not (tail)."""
    table = subgroups(grid.ranks)
    frame = summarise(table, ["HR@10", "NDCG@10"], by=["system", "popularity", "dataset"])
    return _grouped(frame.drop(columns="dataset"), ["popularity"])


def cold_table(grid: Grid, split: Split, hide: float) -> pd.DataFrame:
    """HR@10 and NDCG@10 by whether the user is known (in graph and training) or hidden, and by the user's history.

    split, hide  as the grid was run
    An unknown user's events are read when the user is tested; nothing of them was trained on.
    """
    hidden = hide_users(split, hide)[1]
    ranks = grid.ranks
    events = split.train_end - split.ptr[:-1]
    history = events[ranks["user"].to_numpy()]
    group = np.full(len(ranks), "", dtype=object)
    for low, high in BINS:
        name = f"{low}-{high}" if high < 1000 else f"{low} and more"
        group[(history >= low) & (history <= high)] = name
    who = np.where(np.isin(ranks["user"], hidden), "unknown", "known")
    table = ranks.assign(who=who, history_group=group)
    frame = summarise(table, ["HR@10", "NDCG@10"], by=["system", "who", "history_group", "dataset"])
    frame = frame.rename(columns={"who": "users are", "history_group": "training events"})
    return _grouped(frame.drop(columns="dataset"), ["users are", "training events"])


def recall_curve(ranks: pd.DataFrame, sizes: list[int]) -> pd.DataFrame:
    """system, M, HR@M: the share of held-out items among a system's first M."""
    rows = []
    for name, part in ranks.groupby(labels(ranks), sort=False, observed=True):
        for size in sizes:
            hits = value(part["rank"].to_numpy(), f"HR@{size}")
            rows.append({"system": str(name), "M": size, "HR@M": float(hits.mean())})
    return pd.DataFrame(rows)


def reranked_curve(grids: dict[int, Grid]) -> pd.DataFrame:
    """system (the generator), M, NDCG@10 and its "±" of grids of reranked systems, one for each M."""
    parts = []
    for size, grid in grids.items():
        frame = summarise(grid.ranks, ["NDCG@10"])
        parts.append(frame.assign(system=frame["system"].map(first_stage_of), M=size))
    return pd.concat(parts, ignore_index=True)[["system", "M", "NDCG@10", "NDCG@10 ±"]]


def control_sentence(tests: pd.DataFrame, without: str, mark: str) -> str:
    """Whether the positive control succeeded: do true personas beat the model without a persona?

    tests    rows of `against_each` of the true personas, with the marks of `mark_tests`
    without  label of the model without a persona;  mark: the column of the marks
    """
    row = tests[tests["rival"].astype(str) == without].iloc[0]
    if row[mark]:
        return f"The positive control carries no verdict ({row[mark]}): no null result below is a result yet."
    if row["difference"] > 0 and row["p"] < 0.05:
        return f"The positive control succeeded: true personas beat {without} (p = {row['p']:.3f})."
    return (
        f"The positive control failed: true personas do not beat {without} (p = {row['p']:.3f}), so that no null "
        "result of learned personas is a result."
    )


def _grouped(frame: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """Rows of one group together, the groups in order of their names, systems as they came."""
    ordered = frame.sort_values(groups, kind="stable", ignore_index=True)
    return ordered[[*groups, *ordered.columns.drop(groups)]]


def _with_widths(metrics: list[str]) -> list[str]:
    return [column for metric in metrics for column in (metric, f"{metric} ±")]
