"""Verdicts on claims, from stored ranks and cost alone. docs/claims.md states the rules."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reprolib.evaluate.metrics import value
from reprolib.evaluate.rank_table import check_ranks, labels
from reprolib.evaluate.seed_variance import SeedVariance, pooled_seed_variance, with_seeds
from reprolib.evaluate.significance import compare, gain_difference, holm
from reprolib.evaluate.summary import subgroups
from reprolib.report.claims import (
    Beats,
    Below,
    Claim,
    Comparable,
    LargerGain,
    Monotone,
    Order,
    Untestable,
)
from reprolib.runs.read_store import annotators
from reprolib.runs.systems import FLOORS

REPRODUCED, NOT, OPEN, UNTESTABLE = (
    "reproduced",
    "not reproduced",
    "inconclusive",
    "not testable here",
)
ALPHA, SMALLEST = 0.05, 1.0  # corrected level; smallest relative gain of interest in percent
STAND_IN = (
    "built and trained here"  # what a model says of itself that is no language model of any paper
)
COLUMNS = (
    "paper",
    "id",
    "place",
    "claim",
    "origin",
    "kind",
    "verdict",
    "why",
    "effect",
    "effect ±",
    "relative %",
    "relative low",
    "relative high",
    "d_z",
    "p",
    "tests",
    "scope",
    "decided by",
    "data",
    "annotator",
    "users",
    "seeds",
)


@dataclass
class Evidence:
    """Ranks and cost, cut into (data set, direction) cells; per-user values are computed once."""

    ranks: pd.DataFrame
    cost: pd.DataFrame
    cells: dict = field(default_factory=dict)
    cache: dict = field(default_factory=dict)

    def __post_init__(self):
        if len(self.ranks):
            self.unlabelled = check_ranks(self.ranks)
            self.ranks = self.ranks.assign(system=labels(self.ranks))
            keys = ["dataset", "direction"]
            self.cells = {
                key: part.pivot(index="user", columns=["system", "seed"], values="rank")
                for key, part in self.ranks.groupby(keys, observed=True)
            }
        self.ran = set(self.ranks["system"].unique())

    def values(self, cell: tuple[str, str], metric: str) -> pd.DataFrame:
        """Users by systems: the metric, averaged over seeds; NaN where a system did not rank a user."""
        if (cell, metric) not in self.cache:
            wide = self.cells[cell]
            ranks, names = wide.to_numpy(), wide.columns.get_level_values("system")
            ranked = np.isfinite(ranks)
            gained = np.where(ranked, value(ranks, metric), 0.0)
            means = {}
            for name in names.unique():
                own = names == name
                runs = ranked[:, own].sum(1).astype(float)
                means[name] = gained[:, own].sum(1) / np.where(runs, runs, np.nan)
            self.cache[cell, metric] = pd.DataFrame(means, index=wide.index)
        return self.cache[cell, metric]

    def groups(self, cell: tuple[str, str]) -> pd.DataFrame:
        """Users by subgroup columns; they belong to the held-out event and are the same for every system."""
        if (cell, "groups") not in self.cache:
            part = self.ranks[
                (self.ranks["dataset"] == cell[0]) & (self.ranks["direction"] == cell[1])
            ]
            self.cache[cell, "groups"] = subgroups(part.drop_duplicates("user")).set_index("user")
        return self.cache[cell, "groups"]

    def seeds(self, cell: tuple[str, str], system: str) -> int:
        """How many seeds of the system were run on the cell."""
        return int((self.cells[cell].columns.get_level_values("system") == system).sum())

    def runs(self, cell: tuple[str, str], system: str) -> float:
        """Runs behind the system's mean on the cell; infinitely many where nothing is left to chance."""
        return np.inf if system in FLOORS else float(self.seeds(cell, system))

    def seed_variance(self, metric: str) -> SeedVariance:
        """What another seed changes, pooled over all cells."""
        if metric not in self.cache:
            self.cache[metric] = pooled_seed_variance(self.unlabelled, metric, FLOORS)
        return self.cache[metric]


def judge(claims: list[Claim], ranks: pd.DataFrame, cost: pd.DataFrame) -> pd.DataFrame:
    """One row per claim with its verdict and the comparison that decided it (columns `COLUMNS`).

    ranks, cost  from `load_store`. p-values are Holm-corrected over all comparisons that the claims of one paper ask
    for, each counted once.
    """
    evidence = Evidence(ranks, cost)
    tests = {claim.id: _tests(claim, evidence) for claim in claims}
    for paper in dict.fromkeys(c.paper for c in claims):
        family = {}
        for claim in claims:
            if claim.paper == paper:
                family |= {t["key"]: t["p_t"] for t in tests[claim.id]}
        corrected = dict(zip(family, holm(list(family.values())), strict=True))
        for claim in claims:
            for test in tests[claim.id] if claim.paper == paper else []:
                test |= {"p": corrected[test["key"]], "stretch": _stretch(len(family))}
    return pd.DataFrame(
        [_row(claim, tests[claim.id], evidence) for claim in claims], columns=list(COLUMNS)
    )


def _stretch(family: int) -> float:
    """How much wider than 95 % intervals those are that hold together over the family (Bonferroni)."""
    from scipy import stats

    return float(stats.norm.ppf(1 - ALPHA / 2 / family) / stats.norm.ppf(1 - ALPHA / 2))


def plain(direction: str) -> str:
    """A direction without the ways of writing a domain: "movies->books2023" is "movie->book"."""
    return "->".join(
        part.lower().removesuffix("2023").rstrip("s") for part in direction.split("->")
    )


def _tests(claim: Claim, evidence: Evidence) -> list[dict]:
    """The comparisons a claim asks for, as far as both systems were run; p-values not yet corrected."""
    if isinstance(claim, Below | Untestable):
        return []
    if isinstance(claim, LargerGain):
        return _gain_tests(claim, evidence)
    found = []
    for cell in filter(lambda cell: _wanted(claim, cell), evidence.cells):
        for metric in claim.metrics:
            values = evidence.values(cell, metric)
            for a, b in claim.pairs():
                if (
                    a in values
                    and b in values
                    and (values[a].notna() & values[b].notna()).sum() > 1
                ):
                    runs = evidence.runs(cell, a), evidence.runs(cell, b)
                    result = compare(values, a, b, bootstraps=0)
                    found.append(
                        with_seeds(result, *runs, evidence.seed_variance(metric))
                        | {
                            "runs": min(runs),
                            "key": (*cell, metric, *sorted((a, b))),
                            "cell": cell,
                            "metric": metric,
                            "pair": (a, b),
                        }
                    )
    return found


def _gain_tests(claim: LargerGain, evidence: Evidence) -> list[dict]:
    a, b = claim.pairs()[0]
    found = []
    for one, other in _cells_to_compare(claim, evidence):
        for metric in claim.metrics:
            parts = [evidence.values(cell, metric) for cell in (one, other)]
            if not all(a in part and b in part for part in parts):
                continue
            if claim.group != "direction":
                groups = evidence.groups(one)[claim.group]
                parts = [parts[0][groups == name] for name in (claim.larger, claim.smaller)]
            result = gain_difference(*parts, a, b)
            if np.isfinite(result["p_t"]):
                key = (one, other, metric, a, b, claim.group, min(claim.larger, claim.smaller))
                found.append(result | {"key": key, "cell": one, "metric": metric, "pair": (a, b)})
    return found


def _cells_to_compare(claim: LargerGain, evidence: Evidence) -> list[tuple]:
    """(cell, cell): twice the same where groups of users are compared; two directions of one collection of data."""
    if claim.group != "direction":
        return [(cell, cell) for cell in evidence.cells if _wanted(claim, cell)]
    return [
        (one, other)
        for one in evidence.cells
        for other in evidence.cells
        if plain(one[1]) == plain(claim.larger)
        and plain(other[1]) == plain(claim.smaller)
        and re.split("[-/]", one[0])[:2] == re.split("[-/]", other[0])[:2]
    ]


def _wanted(claim: Claim, cell: tuple[str, str]) -> bool:
    return not claim.directions or plain(cell[1]) in {plain(d) for d in claim.directions}


def _row(claim: Claim, tests: list[dict], evidence: Evidence) -> dict:
    row = {
        "paper": claim.paper,
        "id": claim.id,
        "place": claim.place,
        "claim": claim.claim,
        "origin": claim.origin,
        "kind": claim.kind,
        "tests": len(tests),
    }
    missing = [s for s in claim.systems() if s not in evidence.ran]
    if isinstance(claim, Untestable):
        return row | {"verdict": UNTESTABLE, "why": claim.reason}
    if isinstance(claim, Below):
        return row | _below(claim, evidence.cost)
    if not tests:
        why = f"not run: {', '.join(missing)}" if missing else _no_cell(claim)
        return row | {"verdict": UNTESTABLE, "why": why}
    verdict, why, decider = _count(claim, tests, [_vote(claim, test) for test in tests])
    if missing:
        why = f"{why}; not run: {', '.join(missing)}"
        undecided = {"all": [REPRODUCED], "any": [NOT], "most": [REPRODUCED, NOT]}[
            getattr(claim, "need", "all")
        ]
        verdict = OPEN if verdict in undecided else verdict
    return row | {"verdict": verdict, "why": why} | _effect(claim, decider, tests, evidence)


def _vote(claim: Claim, test: dict) -> str:
    """yes, no or open: what one comparison says about the claim; one seed says nothing."""
    if test.get("runs", np.inf) < 2:
        return "open"
    margin = getattr(claim, "margin", 0.0)
    if margin:
        bound = -margin if isinstance(claim, Comparable) else margin
        low, high = (
            test["relative"] + test["stretch"] * (test[f"relative_{end}"] - test["relative"])
            for end in ("low", "high")
        )
        return "yes" if low >= bound else "no" if high < bound else "open"
    if test["p"] < ALPHA:
        return "yes" if _size(test) > 0 else "no"
    if isinstance(claim, Order | Monotone | LargerGain):
        return "open"
    most = test["difference"] + test["stretch"] * (test["high"] - test["difference"])
    return "no" if most < SMALLEST / 100 * test["b"] else "open"


def _size(test: dict) -> float:
    """What says which side is ahead: the difference, or that of two relative gains."""
    return test.get("difference", test["relative"])


def _count(claim: Claim, tests: list[dict], votes: list[str]) -> tuple[str, str, dict]:
    """Verdict, reason and the comparison that decided: for `any` the best for the claim, for `most` the median,
    else the worst."""
    yes, no = votes.count("yes"), votes.count("no")
    said = f"{yes} of {len(votes)} comparisons for it, {no} against"
    order = sorted(
        range(len(tests)), key=lambda i: (("no", "open", "yes").index(votes[i]), _size(tests[i]))
    )
    worst, median, best = (tests[order[i]] for i in (0, (len(order) - 1) // 2, -1))
    if isinstance(claim, Order | Monotone):
        return _in_order(claim, tests, no, worst)
    need = claim.need if isinstance(claim, Beats) else "all"
    if need == "any":
        return (REPRODUCED if yes else NOT if no == len(votes) else OPEN), said, best
    if need == "most":
        return (
            (REPRODUCED if 2 * yes > len(votes) else NOT if 2 * no >= len(votes) else OPEN),
            said,
            median,
        )
    return (NOT if no else REPRODUCED if yes == len(votes) else OPEN), said, worst


def _in_order(
    claim: Order | Monotone, tests: list[dict], against: int, worst: dict
) -> tuple[str, str, dict]:
    """An order holds where every pair stands as claimed and its two ends differ significantly."""
    tau = sum(np.sign(t["difference"]) for t in tests) / len(tests)
    said = f"Kendall's tau {tau:.2f} over {len(tests)} pairs, {against} of them significantly the other way"
    ends = [t for t in tests if t["pair"] == claim.ends()]
    if against:
        return NOT, said, worst
    held = tau == 1 and ends and all(t["p"] < ALPHA for t in ends)
    return (REPRODUCED if held else OPEN), said, (ends or [worst])[0]


def _no_cell(claim: Claim) -> str:
    by_direction = isinstance(claim, LargerGain) and claim.group == "direction"
    directions = [claim.larger, claim.smaller] if by_direction else claim.directions
    return f"its systems were not run together on {', '.join(directions) or 'one data set'}"


def _effect(claim: Claim, test: dict, tests: list[dict], evidence: Evidence) -> dict:
    a, b = test["pair"]
    cells = list(dict.fromkeys(t["cell"] for t in tests))
    wanted = getattr(claim, "directions", [])
    done = {plain(c[1]) for c in cells}
    rows = evidence.cost
    used = (
        rows[rows["label"].isin([a, b]) & (rows["dataset"] == test["cell"][0])]
        if len(rows)
        else rows
    )
    effect = test.get("difference", np.nan)
    return {
        "effect": effect,
        "effect ±": test.get("high", np.nan) - effect,
        "relative %": test["relative"],
        "relative low": test["relative_low"],
        "relative high": test["relative_high"],
        "d_z": test.get("d_z", np.nan),
        "p": test["p"],
        "scope": f"{len(done)} of {len(wanted)} directions"
        if wanted
        else f"{len(done)} directions",
        "decided by": f"{a} over {b}, {test['metric']}, {test['cell'][1]}",
        "data": ", ".join(dict.fromkeys(named(c[0]) for c in cells)),
        "annotator": annotators(used["annotator"]),
        "users": int(test["n"]),
        "seeds": min(evidence.seeds(test["cell"], s) for s in (a, b)),
    }


def named(dataset: str) -> str:
    """The data set's name; the miniature world is called what it is."""
    return f"{dataset} (miniature world)" if dataset.startswith("world-") else dataset


def _below(claim: Below, cost: pd.DataFrame) -> dict:
    """A cost against its bound: reproduced where even the upper end of the interval over runs is below it."""
    if claim.measure not in cost or not len(cost):
        return {"verdict": UNTESTABLE, "why": f"no stored run recorded {claim.measure}"}
    known = cost.dropna(subset=[claim.measure])
    missing = [s for s in claim.systems() if s not in set(known["label"])]
    if missing:
        return {"verdict": UNTESTABLE, "why": f"no run with {claim.measure}: {', '.join(missing)}"}
    own = known[known["label"] == claim.system]
    of = known.groupby("label", observed=True)[claim.measure]
    limit = claim.limit if claim.limit is not None else claim.factor * of.mean()[claim.than].min()
    mean, half = own[claim.measure].mean(), _half(own[claim.measure])
    verdict = REPRODUCED if mean + half <= limit else NOT if mean - half > limit else OPEN
    small = known["annotator"].str.contains(STAND_IN) & known["label"].isin(claim.than)
    if verdict == NOT and small.any():
        names = ", ".join(dict.fromkeys(known.loc[small, "label"]))
        return {
            "verdict": UNTESTABLE,
            "why": f"a small stand-in costs less than the model of the paper: {names}",
        }
    return {
        "verdict": verdict,
        "why": f"{claim.measure} {mean:.4g} ± {half:.2g} against a bound of {limit:.4g}",
        "data": ", ".join(named(d) for d in dict.fromkeys(own["dataset"])),
        "seeds": own["seed"].nunique(),
        "annotator": annotators(own["annotator"]),
        "decided by": f"{claim.system}, {claim.measure}",
    }


def _half(values: pd.Series) -> float:
    """Half-width of the 95 % t-interval over runs; 0 for a single run."""
    from scipy import stats

    n = len(values)
    return float(values.std(ddof=1) / np.sqrt(n) * stats.t.ppf(0.975, n - 1)) if n > 1 else 0.0
