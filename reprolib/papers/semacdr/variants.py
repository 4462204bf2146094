"""Ablations and settings of SemaCDR by the names that tables and claims give them, as options of the system."""

import pandas as pd

from reprolib.evaluate.rank_table import label
from reprolib.evaluate.significance import each_against
from reprolib.evaluate.summary import summarise

# Table 3: variant -> what it changes; "" is the full model
ABLATIONS: dict[str, dict[str, object]] = {
    "": {},
    "w/o InnSem": {"views": "id+agn"},
    "w/o DomAgnSem": {"views": "id+inn"},
    "w/o InnDomAgnSem": {"views": "id"},
    "SimpGraph": {"item_graph": "sequential"},
    "w/o CDBehav": {"cross": False},
    "AvgFusion": {"fusion": "average"},
    "w/o ConReg": {"contrast": 0.0},
}
# the item graph otherwise than published; see `SemaCDR`
GRAPHS: dict[str, dict[str, object]] = {
    "edges of two users": {"shared": 2},
    "residual": {"residual": True},
}
IDS_ONLY = "ids only"  # the control without any semantics
# Figure 5: option -> the paper's name of the knob
KNOBS = {"categories": "K", "contrast": "lambda", "lr_semantic": "lr_semantic", "lr": "lr_general"}


def controls(annotators: list[str]) -> dict[str, dict[str, object]]:
    """One variant per annotator, after one that reads ids alone: {"ids only": {"views": "id"}, "oracle": ...}.

    annotators  names for `semantics_of`: "embedded", "shuffled", "oracle:0.5", "oracle", ...
    """
    return {IDS_ONLY: {"views": "id"}} | {name: {"annotator": name} for name in annotators}


def ablation_table() -> pd.DataFrame:
    """One row per ablation of Table 3: its name and the options that it changes."""
    rows = [{"variant": name, **change} for name, change in ABLATIONS.items() if name]
    return pd.DataFrame(rows).fillna("")


def control_curve(ranks: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The metric of every system and description with its "±", in full ranking."""
    return summarise(ranks, [metric])


def control_tests(ranks: pd.DataFrame, metric: str, systems: list[str]) -> pd.DataFrame:
    """Each description of each system against ids alone, with the columns of `best_rivals`; Holm within a system."""
    tests = [
        each_against(ranks[ranks["system"] == system], metric, label(system, IDS_ONLY, ""))
        for system in systems
    ]
    return pd.concat(tests, ignore_index=True)


def knob_settings(**values: list[float]) -> dict[str, dict[str, float]]:
    """One setting per value: {"K=4": {"categories": 4}, ...}, one knob turned at a time.

    values  for each option of KNOBS its values, for example `categories=[2, 4]`
    Raises ValueError on an option that is no knob.
    """
    settings = {}
    for option, chosen in values.items():
        if option not in KNOBS:
            raise ValueError(f"{option!r} is no knob; there are {', '.join(KNOBS)}")
        for value in chosen:
            settings[f"{KNOBS[option]}={value:g}"] = {option: value}
    return settings


def knob_curve(ranks: pd.DataFrame, metric: str, sampled: int) -> pd.DataFrame:
    """The metric of each setting of `knob_settings`: columns knob, value (text), metric and its "±".

    ranks    a RankTable of runs whose variants are those settings
    sampled  number of sampled negatives
    """
    curve = summarise(ranks, [metric], sampled=sampled)
    parts = curve["variant"].str.partition("=")
    return curve.assign(knob=parts[0], value=parts[2])
