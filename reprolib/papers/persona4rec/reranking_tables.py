"""Tables of rerankers, each beside the order of its own generator."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.significance import compare, holm, user_values
from reprolib.evaluate.summary import summarise
from reprolib.report.published import published
from reprolib.runs.grid import Run, runs

NONE = "none"
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


def reranking_table(
    ranks: pd.DataFrame, metrics: list[str], tested: str = "NDCG@10"
) -> pd.DataFrame:
    """One row per (data set, generator, reranker) with intervals; † in `tested`: better than its generator.

    The paired t-tests over users are Holm-corrected over all rows of the table.
    """
    both = with_generator(ranks)
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
    both, rows = with_generator(ranks), []
    for (dataset, generator), part in both.groupby(
        ["dataset", "generator"], sort=False, observed=True
    ):
        values = user_values(_called(part), metric)
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


def _gain(both: pd.DataFrame, metric: str, dataset: str, generator: str, reranker: str) -> dict:
    """`compare` of one reranker with its generator."""
    here = (both["dataset"] == dataset) & (both["generator"] == generator)
    part = both[here & both["reranker"].isin([reranker, NONE])]
    return compare(user_values(_called(part), metric), reranker, NONE, bootstraps=0)
