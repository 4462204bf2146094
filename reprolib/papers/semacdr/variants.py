"""Ablations and settings of SemaCDR by the names that tables and claims give them, as options of the system."""

import pandas as pd

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
# Figure 5: option -> the paper's name of the knob
KNOBS = {"categories": "K", "contrast": "lambda", "lr_semantic": "lr_semantic", "lr": "lr_general"}


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
