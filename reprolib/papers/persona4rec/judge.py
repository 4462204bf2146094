"""A pairwise judge in both orders, a stand-in for the paper's human studies (Figures 5 and 6), and how far to trust it.

With the embedded annotator each criterion is one measure of similarity (reprolib/llm/tasks/judging.py), the same in
both orders: a check of the pipeline. Only a language model can favour a position, and only people can be people.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reprolib.llm import open_llm
from reprolib.papers.persona4rec.judging_tasks import (
    COMPARISON,
    EXPLANATION_CRITERIA,
    PERSONA_CRITERIA,
)
from reprolib.papers.persona4rec.offline import Asking, Offline
from reprolib.papers.persona4rec.texts import aspects_text
from reprolib.report.figures import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_EVIDENCE = 20  # reviews shown to the judge
OUTCOMES = ("a", "tie", "b")


def criteria_table() -> pd.DataFrame:
    """Tables 8 and 9 in our words: criterion, what it asks, whether of an explanation or of a persona."""
    rows = [("explanation", *pair) for pair in EXPLANATION_CRITERIA.items()]
    rows += [("persona", *pair) for pair in PERSONA_CRITERIA.items()]
    return pd.DataFrame(rows, columns=["of", "criterion", "the better text"])


def compare(
    cases: pd.DataFrame,
    criteria: Sequence[str],
    *,
    annotator: str = "embedded",
    cache: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Judge texts a and b of every case on every criterion, in both orders.

    cases   context, evidence (tuple of texts), a, b
    Returns case, criterion, first, swapped ("a", "b" or "tie": the winner in either order), winner (where both orders
    agree, else "tie"), longer ("a" or "b"). A comparison without a usable answer in one order is left out.
    """
    ask = Asking(open_llm(annotator, cache=cache), cache, progress)
    keys, given = [], []
    for number, case in enumerate(cases.itertuples(index=False)):
        for criterion in criteria:
            pair = {"criterion": criterion, "context": case.context, "evidence": case.evidence}
            given += [{**pair, "a": case.a, "b": case.b}, {**pair, "a": case.b, "b": case.a}]
            keys.append((number, criterion, "a" if len(case.a) > len(case.b) else "b"))
    verdicts, rows = ask(COMPARISON, given), []
    for (number, criterion, longer), one, two in zip(
        keys, verdicts[::2], verdicts[1::2], strict=True
    ):
        if one is not None and two is not None:
            first = {"A": "a", "B": "b", "tie": "tie"}[one.winner]
            swapped = {"A": "b", "B": "a", "tie": "tie"}[two.winner]
            rows.append(
                (number, criterion, first, swapped, first if first == swapped else "tie", longer)
            )
    return pd.DataFrame(rows, columns=["case", "criterion", "first", "swapped", "winner", "longer"])


def win_rates(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Per criterion: shares of a, tie, b; a among the decided with a 95 % interval (low, high), p, cases.

    p is the exact sign test of the decided cases, Holm-corrected over the criteria.
    """
    from scipy.stats import binomtest

    from reprolib.evaluate.significance import holm

    rows = []
    for criterion, part in verdicts.groupby("criterion", sort=False):
        share = part["winner"].value_counts(normalize=True).reindex(OUTCOMES, fill_value=0.0)
        wins, decided = int((part["winner"] == "a").sum()), int((part["winner"] != "tie").sum())
        row = (
            {"criterion": criterion}
            | share.to_dict()
            | dict.fromkeys(("a of decided", "low", "high"), np.nan)
        )
        p = 1.0
        if decided:
            test = binomtest(wins, decided)
            low, high = test.proportion_ci(method="wilson")
            row |= {"a of decided": wins / decided, "low": low, "high": high}
            p = test.pvalue
        rows.append(row | {"p": p, "cases": len(part)})
    frame = pd.DataFrame(rows)
    return frame.assign(p=holm(frame["p"]))


def agreement(verdicts: pd.DataFrame) -> pd.DataFrame:
    """How far to trust the judge, per criterion.

    orders agree    share of comparisons with one winner in both orders; kappa: the same beyond chance (Cohen)
    first position  share won by the text shown first, among decided answers; 0.5 favours no position
    longer wins     share won by the longer text, among decided comparisons; far from 0.5, length decides
    """
    rows = []
    for criterion, part in verdicts.groupby("criterion", sort=False):
        one, two = part["first"], part["swapped"]
        shown_first = np.concatenate([one[one != "tie"] == "a", two[two != "tie"] == "b"])
        decided = part[part["winner"] != "tie"]
        rows.append(
            {
                "criterion": criterion,
                "orders agree": (one == two).mean(),
                "kappa": kappa(one, two),
                "first position": shown_first.mean() if len(shown_first) else np.nan,
                "longer wins": (decided["winner"] == decided["longer"]).mean(),
                "cases": len(part),
            }
        )
    return pd.DataFrame(rows)


def between_criteria(verdicts: pd.DataFrame) -> float:
    """Mean kappa over pairs of criteria: near 1, they ask the judge the same question; NaN with one criterion."""
    from itertools import combinations

    wide = verdicts.pivot(index="case", columns="criterion", values="winner").dropna()
    pairs = [kappa(wide[a], wide[b]) for a, b in combinations(wide, 2)]
    return float(np.mean([k for k in pairs if not np.isnan(k)] or [np.nan]))


def kappa(one: pd.Series, two: pd.Series) -> float:
    """Cohen's kappa: agreement beyond chance; NaN where both always say the same one thing, which chance does too."""
    by_chance = sum((one == outcome).mean() * (two == outcome).mean() for outcome in OUTCOMES)
    return (
        float(((one == two).mean() - by_chance) / (1 - by_chance))
        if by_chance < 1
        else float("nan")
    )


def persona_cases(offline: Offline, single: pd.DataFrame) -> pd.DataFrame:
    """Cases for Figure 6: a = all personas of an item, b = its one persona of `single`, evidence = its reviews."""
    about, told = (
        offline.summaries.set_index("item"),
        offline.interactions.groupby("item")["aspects"],
    )
    many = offline.personas.groupby("item")["text"].agg(" ".join)
    rows = []
    for item, text in zip(single["item"], single["text"], strict=True):
        evidence = tuple(
            text for text in map(aspects_text, told.get_group(item).tail(MOST_EVIDENCE)) if text
        )
        rows.append(
            (f"{about['title'][item]}. {about['summary'][item]}", evidence, many[item], text)
        )
    return pd.DataFrame(rows, columns=["context", "evidence", "a", "b"])


def explanation_cases(
    offline: Offline, pairs: pd.DataFrame, ours: Sequence[str], theirs: Sequence[str]
) -> pd.DataFrame:
    """Cases for Figure 5: a = ours, b = theirs for each (user, item, earlier) of `pairs`.

    The evidence is what the user's own earlier reviews say, the latest first.
    """
    about, aspects = (
        offline.summaries.set_index("item"),
        offline.interactions["aspects"].map(aspects_text).to_numpy(),
    )
    rows = []
    for item, start, end, a, b in zip(
        pairs["item"], *offline.before(pairs), ours, theirs, strict=True
    ):
        evidence = tuple(
            text for text in aspects[max(start, end - MOST_EVIDENCE) : end][::-1] if text
        )
        rows.append((f"{about['title'][item]}. {about['summary'][item]}", evidence, a, b))
    return pd.DataFrame(rows, columns=["context", "evidence", "a", "b"])


def persona_explanations(offline: Offline, pairs: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """persona, name, explanation, score for each (user, item): the item's best persona (Eq. 10), and its own text.

    scores  (pairs, personas), from `encoder.persona_scores`
    """
    item = offline.personas["item"].to_numpy()
    own = np.where(item[None] == pairs["item"].to_numpy()[:, None], scores, -np.inf)
    best = own.argmax(1)
    chosen = offline.personas.iloc[best].reset_index(drop=True)
    frame = chosen[["persona", "name"]].assign(
        explanation=chosen["text"], score=own[np.arange(len(best)), best]
    )
    if not np.isfinite(frame["score"]).all():
        raise ValueError(
            "persona_explanations: a pair's item has no personas; leave such pairs out"
        )
    return frame


def win_bars(rates: pd.DataFrame, ours: str, theirs: str, judge: str, axis: "Axes") -> None:
    """Stacked bars, one per criterion: share of cases won by ours, undecided, won by theirs.

    rates         from `win_rates`: criterion, a, tie, b, cases
    ours, theirs  names of the two sides
    judge         who decided; written above the bars, because a proxy is no human study
    axis          matplotlib axis to draw on

    A line at the end of our bar is the 95 % interval (Wilson) of our share. Sides differ in colour and in hatch.
    """
    rates = rates[::-1]
    left = np.zeros(len(rates))
    sides = (("a", ours, 0, ""), ("tie", "undecided", 1, "..."), ("b", theirs, 4, "///"))
    for outcome, name, place, hatch in sides:
        colour = "#DDDDDD" if outcome == "tie" else PALETTE[place]
        axis.barh(
            rates["criterion"],
            rates[outcome],
            left=left,
            color=colour,
            hatch=hatch,
            label=name,
            edgecolor="white" if outcome != "tie" else "#777777",
        )
        left += rates[outcome].to_numpy()
    low, high = wilson(rates["a"].to_numpy(), rates["cases"].to_numpy())
    axis.hlines(range(len(rates)), low, high, color="black", linewidth=1.5)
    axis.plot(low, range(len(rates)), "k|", high, range(len(rates)), "k|", clip_on=False)
    axis.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
    axis.set(
        xlim=(0, 1),
        xlabel=f"share of {rates['cases'].max()} cases\nline: 95 % interval of the left part",
    )
    axis.grid(axis="y", visible=False)
    axis.legend(fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), columnspacing=1)
    axis.set_title(f"proxy judge: {judge}", loc="left", fontsize=9, pad=24)


def wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the 95 % interval (Wilson) of shares in [0, 1] of n cases."""
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)
