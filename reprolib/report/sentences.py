"""Sentences about results, computed from the numbers that stand beside them."""

import pandas as pd

from reprolib.data.split import ARROW
from reprolib.evaluate.summary import order_of, swaps
from reprolib.runs.state import NO_VERDICT


def swap_sentences(full: pd.DataFrame, sampled: pd.DataFrame, metric: str, negatives: int) -> str:
    """Which systems trade places when only `negatives` sampled items are ranked, one sentence a direction.

    full, sampled  from `summarise` of the same ranks, without and with sampled negatives
    Where nobody does, the last sentence says where the reversal can be seen.
    """
    sentences = []
    any_swap = False
    for direction, part in full.groupby("direction", sort=False, observed=True):
        other = sampled[sampled["direction"] == direction]
        pairs = swaps(order_of(part, metric), order_of(other, metric))
        where = _arrow(direction)
        if pairs:
            any_swap = True
            told = "; ".join(f"{first} falls behind {second}" for first, second in pairs)
            sentences.append(f"{where}: among {negatives} sampled negatives {told}.")
        else:
            sentences.append(f"{where}: the order by {metric} is the same under both questions.")
    if not any_swap:
        sentences.append(
            "No pair trades places on these data. It happens on real ones:\n"
            "see the same table and figure of profile real, figures/real/README.md."
        )
    return "\n".join(sentences)


def inflation_sentence(full: pd.DataFrame, sampled: pd.DataFrame, metric: str) -> str:
    """By how much the sampled metric exceeds the full one: smallest and largest ratio over all rows."""
    keys = ["system", "direction"]
    both = full[[*keys, metric]].merge(sampled[[*keys, metric]], on=keys)
    ratios = (both[f"{metric}_y"] / both[f"{metric}_x"])[both[f"{metric}_x"] > 0]
    if ratios.empty:
        return f"No system has a {metric} above zero, so the two questions cannot be compared."
    return f"Sampling multiplies {metric} by {ratios.min():.1f} to {ratios.max():.1f}."


def leak_sentences(gain: pd.DataFrame) -> str:
    """What the leak changed, one sentence per row of `leak_gain` with the marks of `mark_tests`."""
    sentences = []
    for row in gain.to_dict("records"):
        who = f"{row['system']}, {_arrow(row['direction'])}"
        if row[NO_VERDICT]:
            sentences.append(f"{who}: no verdict ({row[NO_VERDICT]}).")
            continue
        if row["p"] >= 0.05:
            verdict = "no difference is established"
        elif row["difference"] > 0:
            verdict = f"the leak gains {row['difference']:.4f}, which no deployed system could have"
        else:
            verdict = f"the leak costs {-row['difference']:.4f}"
        sentences.append(f"{who}: {verdict} (p {row['p']:.2g}).")
    return "\n".join(sentences)


def floor_sentences(summary: pd.DataFrame, metric: str, floor: str = "Popularity") -> str:
    """Which systems lie above the floor with intervals that do not overlap, one sentence a direction.

    summary  from `summarise`, with the floor among its systems
    """
    sentences = []
    for direction, part in summary.groupby("direction", sort=False, observed=True):
        base = part[part["system"] == floor]
        if base.empty:
            continue
        top = (base[metric] + base[f"{metric} ±"]).iloc[0]
        clear = part[part[metric] - part[f"{metric} ±"] > top]["system"].tolist()
        told = ", ".join(clear) or "no system"
        sentences.append(f"{_arrow(direction)}: clearly above {floor} by {metric}: {told}.")
    return "\n".join(sentences)


def largest_removal_sentences(audit: pd.DataFrame) -> str:
    """The preparation step that removed most events, one sentence a data set.

    audit  from `load_corpus`: data set, step, "interactions before" and "interactions after"; one or several data sets
    """
    sentences = []
    for name, steps in audit.groupby("data set", sort=False):
        removed = steps["interactions before"] - steps["interactions after"]
        if removed.max() <= 0:
            sentences.append(f"{name}: no step removed an event.")
            continue
        step = steps["step"][removed.idxmax()]
        share = removed.max() / steps["interactions before"].iloc[0]
        sentences.append(f"{name}: {step} removed most, {share:.0%} of all events.")
    return "\n".join(sentences)


def _arrow(direction: str) -> str:
    return str(direction).replace(ARROW, " → ")


def benchmark_sentence(measured: pd.DataFrame) -> str:
    """How many published numbers ours reach, one sentence per system and data set.

    measured  from `ranks_beside`
    """
    if measured.empty:
        return "Nothing to compare in this profile: no comparison with published numbers is configured."
    sentences = []
    keys = ["dataset", "system", "question", "source"]
    for (dataset, system, question, source), part in measured.groupby(keys, sort=False):
        reached = (part["within"] == "yes").sum()
        low, high = part["deviation %"].min(), part["deviation %"].max()
        sentences.append(
            f"{system} on {dataset}, {question}: {reached} of {len(part)} numbers of {source} within 5 %; "
            f"deviations {low:+.1f} to {high:+.1f} % ({part['training'].iloc[0]}, {part['seeds'].iloc[0]} seeds)."
        )
    return "\n".join(sentences)
