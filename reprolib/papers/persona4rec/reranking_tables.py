"""Tables of rerankers: systems called "RERANKER on GENERATOR", each beside the order of its own generator."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reprolib.evaluate.metrics import summarise
from reprolib.evaluate.significance import compare, holm, user_values
from reprolib.report.published import published
from reprolib.runs.grid import Run, runs

NONE = "none"
KEY = ["dataset", "generator", "reranker"]
SHARE = 0.2  # of users or items that count as warm or cold, head or tail (PERSONA4REC, Table 5)


def rerankings(
    rerankers: Iterable[str],
    places: Iterable[tuple[str, str]],
    generators: Iterable[str],
    seeds: Iterable[int],
    label: str = "{system}",
    **options,
) -> list[Run]:
    """The runs of all rerankers on the lists of all generators in all (data set, domain) places."""
    return [
        run
        for name, domain in places
        for generator in generators
        for run in runs(
            rerankers,
            name,
            domain,
            seeds,
            label=f"{label} on {generator}",
            generator=generator,
            **options,
        )
    ]


def sides(ranks: pd.DataFrame) -> pd.DataFrame:
    """The table with columns generator and reranker ("none" for the generator itself), list by list.

    A system that is nobody's generator is left out.
    """
    parts = ranks["system"].astype(str).str.rpartition(" on ")
    reranked = parts[1] != ""
    both = ranks.assign(generator=parts[2], reranker=np.where(reranked, parts[0], NONE))
    both = both[both["generator"].isin(parts.loc[reranked, 2])]
    order = {name: place for place, name in enumerate(dict.fromkeys(both["generator"]))}
    where = both["dataset"].map(
        {name: place for place, name in enumerate(dict.fromkeys(both["dataset"]))}
    )
    return both.iloc[np.lexsort((both["generator"].map(order), where.astype(int)))]


def reranking_table(
    ranks: pd.DataFrame, metrics: list[str], tested: str = "NDCG@10"
) -> pd.DataFrame:
    """One row per (data set, generator, reranker) with intervals; † in `tested`: better than its generator.

    The paired t-tests over users are Holm-corrected over all rows of the table.
    """
    both = sides(ranks)
    table = summarise(both, metrics, by=KEY)
    rows = list(table[KEY].itertuples(index=False, name=None))
    tests = {row: _gain(both, tested, *row) for row in rows if row[-1] != NONE}
    corrected = dict(zip(tests, holm([test["p_t"] for test in tests.values()]), strict=True))
    better = [
        row in tests and corrected[row] < 0.05 and tests[row]["difference"] > 0 for row in rows
    ]
    return table.assign(**{f"{tested} †": better}).rename(columns={"dataset": "data set"})


def against(ranks: pd.DataFrame, reranker: str, metric: str = "NDCG@10") -> pd.DataFrame:
    """One reranker against each other order of the same lists: difference, 95 % interval, p (Holm over the rows)."""
    both, rows = sides(ranks), []
    for (dataset, generator), part in both.groupby(
        ["dataset", "generator"], sort=False, observed=True
    ):
        values = user_values(part.assign(system=part["reranker"]), metric)
        for other in values.columns.drop(reranker, errors="ignore"):
            test = compare(values, reranker, other, bootstraps=0)
            rows.append(
                {
                    "data set": dataset,
                    "generator": generator,
                    "reranker": reranker,
                    "against": other,
                    metric: test["a"],
                    "of the other": test["b"],
                    "difference": test["difference"],
                    "difference ±": test["high"] - test["difference"],
                    "d_z": test["d_z"],
                    "p": test["p_t"],
                    "users": test["n"],
                }
            )
    frame = pd.DataFrame(rows)
    return frame.assign(p=holm(frame["p"]))


def segments(ranks: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Table 5: warm and cold users, head and tail items, by generator and reranker, with the gain over the generator.

    Warm (cold) users are the 20 % with most (fewest) training events, head (tail) items the 20 % with most (fewest);
    equal counts at the cut enlarge a group, as in the paper's code.
    """
    both = sides(ranks)
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
            gain = 100 * (table[metric] / np.where(base > 0, base, np.nan) - 1)
            table[f"{metric} gain %"] = gain.where(table["reranker"] != NONE)
        tables.append(table.assign(group=group))
    whole = pd.concat(tables, ignore_index=True).rename(columns={"dataset": "data set"})
    numbers = [c for c in whole if c.startswith(tuple(metrics))]
    return whole[["data set", "generator", "group", "reranker", *numbers, "users"]]


def gains_beside(ranks: pd.DataFrame, metric: str = "NDCG@10") -> pd.DataFrame:
    """Gain over the generator in %: published (Table 4) and measured, by generator and reranker.

    The data differ, so only signs and order can be compared.
    """
    theirs = published("persona4rec")
    theirs = sides(theirs[(theirs["table"] == "Table 4") & (theirs["metric"] == metric)])
    paper = theirs.pivot_table(
        index=["generator", "reranker"], columns="dataset", values="value", sort=False
    )
    paper = _percent(paper).rename(columns=lambda name: f"{name} (published)")
    ours = summarise(sides(ranks), [metric], by=KEY)
    ours = _percent(
        ours.pivot_table(
            index=["generator", "reranker"],
            columns="dataset",
            values=metric,
            sort=False,
            observed=True,
        )
    )
    return (
        paper.join(ours.rename(columns=str), how="inner")
        .round(1)
        .rename_axis(columns=None)
        .reset_index()
    )


def _percent(table: pd.DataFrame) -> pd.DataFrame:
    """Each row's gain in percent over its generator's row, which is left out."""
    base = (
        table.xs(NONE, level="reranker")
        .reindex(table.index.get_level_values("generator"))
        .to_numpy()
    )
    gains = 100 * (table / base - 1)
    return gains[gains.index.get_level_values("reranker") != NONE]


def _gain(both: pd.DataFrame, metric: str, dataset: str, generator: str, reranker: str) -> dict:
    """`compare` of one reranker with its generator."""
    here = (both["dataset"] == dataset) & (both["generator"] == generator)
    part = both[here & both["reranker"].isin([reranker, NONE])]
    return compare(
        user_values(part.assign(system=part["reranker"]), metric), reranker, NONE, bootstraps=0
    )
