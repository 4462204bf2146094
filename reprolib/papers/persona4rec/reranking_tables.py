"""Tables of rerankers, each beside the order of its own generator."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reprolib.evaluate.metrics import value
from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.seed_variance import pooled_seed_variance, with_seeds
from reprolib.evaluate.significance import compare, holm, user_values
from reprolib.evaluate.summary import summarise
from reprolib.report.published import published
from reprolib.runs.grid import Run, runs
from reprolib.runs.state import NO_VERDICT

NONE = "none"
LIST = 20  # candidates of a list
KEY = ["dataset", "generator", "reranker"]
LEAST_HITS = 10  # of the generator, for a relative gain to be said
SHARE = 0.2  # of users or items that count as warm or cold, head or tail (PERSONA4REC, Table 5)


def rerankings(
    rerankers: Iterable[str],
    places: Iterable[tuple[str, str]],
    generators: Iterable[str],
    seeds: Iterable[int],
    variant: str = "",
    **options: object,
) -> list[Run]:
    """The runs of all rerankers on the lists of all generators in all (data set, domain) places."""
    cells = []
    for name, domain in places:
        for generator in generators:
            cells += runs(
                rerankers, name, domain, seeds, variant=variant, generator=generator, **options
            )
    return cells


def with_generator(ranks: pd.DataFrame) -> pd.DataFrame:
    """A RankTable with columns generator and reranker ("none" for the generator itself), list by list.

    A system that is nobody's generator is left out.
    """
    on = ranks["on"].astype(str)
    is_reranked = on != ""
    own = labels(ranks[["system", "variant"]]).astype(str)
    both = ranks.assign(
        generator=np.where(is_reranked, on, own), reranker=np.where(is_reranked, own, NONE)
    )
    both = both[both["generator"].isin(on[is_reranked])]
    place = {name: number for number, name in enumerate(dict.fromkeys(both["generator"]))}
    datasets = {name: number for number, name in enumerate(dict.fromkeys(both["dataset"]))}
    where = both["dataset"].map(datasets).astype(int)
    return both.iloc[np.lexsort((both["generator"].map(place), where))]


def ceiling_and_floor(ranks: pd.DataFrame, metric: str = "NDCG@10") -> pd.DataFrame:
    """What a reranker of each generator can reach: one row per (data set, generator).

    Columns HR@20 (no order of the twenty changes it), the metric of the generator's own order, "random order": the
    exact expectation of the metric over all orders of the same lists, users. A reranker below it has learned nothing.
    """
    own = ranks[ranks["on"].astype(str) == ""]
    table = summarise(own, [f"HR@{LIST}", metric])
    table["random order"] = table[f"HR@{LIST}"] * _random_order(metric)
    columns = ["dataset", "system", f"HR@{LIST}", f"HR@{LIST} ±", metric, "random order", "users"]
    return table[columns].rename(columns={"dataset": "data set", "system": "generator"})


def _random_order(metric: str) -> float:
    """Mean of the metric over the places of a list: what a random order gives where the list holds the item."""
    return float(value(np.arange(1, LIST + 1), metric).mean())


def reranking_table(
    ranks: pd.DataFrame, metrics: list[str], tested: str = "NDCG@10"
) -> pd.DataFrame:
    """One row per (data set, generator, reranker) with intervals; † in `tested`: better than its generator.

    The paired tests count users and seeds and are Holm-corrected over all rows of the table; a single seed, and a
    reranker below a random order, get no †.
    """
    both = with_generator(ranks)
    table = summarise(both, metrics, by=KEY)
    tests = _tests(both, tested, [(name, NONE) for name in table["reranker"].unique()])
    better = tests[(tests["p"] < 0.05) & (tests["difference"] > 0) & (tests[NO_VERDICT] == "")]
    marked = set(better[["data set", "generator", "reranker"]].itertuples(index=False, name=None))
    rows = table[KEY].itertuples(index=False, name=None)
    table = table.rename(columns={"dataset": "data set"})
    return table.assign(**{f"{tested} †": [tuple(map(str, row)) in marked for row in rows]})


def against(ranks: pd.DataFrame, reranker: str, metric: str = "NDCG@10") -> pd.DataFrame:
    """One reranker against each other order of the same lists, paired over users.

    Columns data set, generator, reranker, against, the metric, "of the other", difference with its 95 % half-width,
    d_z, p (Holm over the rows), users, seeds, and why a row carries no verdict. Interval and p count users and seeds.
    """
    both = with_generator(ranks)
    others = [name for name in both["reranker"].unique() if name != reranker]
    return _tests(both, metric, [(reranker, other) for other in others])


def control_tests(ranks: pd.DataFrame, metric: str = "NDCG@10") -> pd.DataFrame:
    """Every reranker of the table against its generator's own order, with the columns of `against`."""
    both = with_generator(ranks)
    return _tests(both, metric, [(name, NONE) for name in both["reranker"].unique()])


def _tests(both: pd.DataFrame, metric: str, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """Paired tests of (reranker, other order) on every list of `with_generator`, Holm-corrected over all of them."""
    seeds = pooled_seed_variance(both, metric)
    rows = []
    for (dataset, generator), part in both.groupby(
        ["dataset", "generator"], sort=False, observed=True
    ):
        called = _called(part)
        values = user_values(called, metric)
        runs_of = called.groupby("system", observed=True)["seed"].nunique().to_dict()
        floor = _floor(part, metric)
        for ours, other in pairs:
            if ours == other or ours not in values or other not in values:
                continue
            test = compare(values, ours, other, bootstraps=0)
            test = with_seeds(test, runs_of[ours], runs_of[other], seeds)
            fewest = min(runs_of[ours], runs_of[other])
            reasons = [f"{ours} below a random order" if test["a"] < floor else ""]
            reasons += ["one seed" if fewest < 2 else ""]
            rows.append(
                {
                    "data set": str(dataset),
                    "generator": str(generator),
                    "reranker": ours,
                    "against": other,
                    metric: test["a"],
                    "of the other": test["b"],
                    "difference": test["difference"],
                    "difference ±": test["high"] - test["difference"],
                    "d_z": test["d_z"],
                    "p": test["p_t"],
                    "users": test["n"],
                    "seeds": fewest,
                    NO_VERDICT: "; ".join(filter(None, reasons)),
                }
            )
    columns = ["data set", "generator", "reranker", "difference", "p", NO_VERDICT]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    return frame.assign(p=holm(frame["p"]))


def _floor(part: pd.DataFrame, metric: str) -> float:
    """The metric of a random order of one generator's lists; 0 where its own order is not among the rows."""
    own = part[part["reranker"] == NONE]
    if own.empty:
        return 0.0
    return float((own["rank"] <= LIST).mean()) * _random_order(metric)


def segments(ranks: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Table 5: warm and cold users, head and tail items, by generator and reranker, with the gain over the generator.

    Warm (cold) users are the 20 % with most (fewest) training events, head (tail) items the 20 % with most (fewest);
    equal counts at the cut enlarge a group, as in the paper's code. A gain is NaN where the generator has fewer than
    LEAST_HITS hits.
    """
    both = with_generator(ranks)
    low, high = (
        both.groupby("dataset", observed=True)["history"].transform("quantile", q)
        for q in (SHARE, 1 - SHARE)
    )
    groups = {
        "warm users": both["history"] >= high,
        "cold users": both["history"] <= low,
        "head items": both["item_place"] <= SHARE,
        "tail items": both["item_place"] >= 1 - SHARE,
    }
    tables = []
    for group, chosen in groups.items():
        if not chosen.any():
            continue
        table = summarise(both[chosen], metrics, by=KEY)
        first = table[table["reranker"] == NONE].set_index(["dataset", "generator"])
        for metric in metrics:
            base = (
                first[metric]
                .reindex(pd.MultiIndex.from_frame(table[["dataset", "generator"]]))
                .to_numpy()
            )
            hits = _generator_hits(both[chosen], metric)
            hits = hits.reindex(pd.MultiIndex.from_frame(table[["dataset", "generator"]]))
            enough = (hits.to_numpy() >= LEAST_HITS) & (table["reranker"] != NONE)
            gain = 100 * (table[metric] / np.where(base > 0, base, np.nan) - 1)
            table[f"{metric} gain %"] = gain.where(enough)
        tables.append(table.assign(group=group))
    whole = pd.concat(tables, ignore_index=True).rename(columns={"dataset": "data set"})
    numbers = [c for c in whole if c.startswith(tuple(metrics))]
    return whole[["data set", "generator", "group", "reranker", *numbers, "users"]]


def gains_beside(ranks: pd.DataFrame, metric: str = "NDCG@10") -> pd.DataFrame:
    """Gain over the generator in %: published (Table 4) and measured, by generator and reranker.

    The data differ, so only signs and order can be compared. A measured gain is NaN where the generator has fewer than
    LEAST_HITS hits.
    """
    theirs = published("persona4rec")
    theirs = theirs[(theirs["table"] == "Table 4") & (theirs["metric"] == metric)]
    names = theirs["system"].str.partition(" on ")  # the paper's own names
    theirs = theirs.assign(system=names[0], variant="", on=names[2])
    theirs = with_generator(theirs)
    paper = theirs.pivot_table(
        index=["generator", "reranker"], columns="dataset", values="value", sort=False
    )
    paper = _percent(paper).rename(columns=lambda name: f"{name} (published)")
    both = with_generator(ranks)
    hits = _generator_hits(both, metric)
    ours = summarise(both, [metric], by=KEY)
    enough = hits.reindex(pd.MultiIndex.from_frame(ours[["dataset", "generator"]])) >= LEAST_HITS
    ours[metric] = ours[metric].where(enough.to_numpy())
    ours = _percent(
        ours.pivot_table(
            index=["generator", "reranker"],
            columns="dataset",
            values=metric,
            sort=False,
            observed=True,
            dropna=False,
        )
    )
    return (
        paper.join(ours.rename(columns=str), how="inner")
        .round(1)
        .rename_axis(columns=None)
        .reset_index()
    )


def _generator_hits(both: pd.DataFrame, metric: str) -> pd.Series:
    """Held-out items that each generator's own order has within the metric's cut, by (dataset, generator).

    A mean over seeds: two seeds that find the same item do not make two hits.
    """
    own = both[both["reranker"] == NONE]
    is_hit = own["rank"] <= int(metric.partition("@")[2])
    by = [own["dataset"].astype(str), own["generator"].astype(str)]
    return is_hit.groupby(by).sum() / own["seed"].groupby(by).nunique()


def _called(part: pd.DataFrame) -> pd.DataFrame:
    """The rows with their reranker ("none": the generator) as the system's name."""
    return part.assign(system=part["reranker"], variant="", on="")


def _percent(table: pd.DataFrame) -> pd.DataFrame:
    """Each row's gain in percent over its generator's row, which is left out."""
    base = (
        table.xs(NONE, level="reranker")
        .reindex(table.index.get_level_values("generator"))
        .to_numpy()
    )
    gains = 100 * (table / base - 1)
    return gains[gains.index.get_level_values("reranker") != NONE]
