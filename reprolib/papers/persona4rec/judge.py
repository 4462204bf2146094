"""A pairwise judge in both orders, a stand-in for the paper's human studies (Figures 5 and 6), and how far to trust it.

With the embedded annotator each criterion is one measure of similarity (reprolib/llm/tasks/judging.py), the same in
both orders: a check of the pipeline. Only a language model can favour a position, and only people can be people.
"""

from collections.abc import Sequence
from pathlib import Path

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
