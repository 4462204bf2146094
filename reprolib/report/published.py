"""The papers' numbers beside ours. They are read from params/published/, never typed into a notebook."""

import pandas as pd

from reprolib.data.split import ARROW
from reprolib.evaluate.rank_table import SYSTEM, labels
from reprolib.evaluate.summary import per_user, summarise
from reprolib.folders import root_folder
from reprolib.runs.grid import Grid
from reprolib.runs.state import training_states


def published(name: str) -> pd.DataFrame:
    """The table params/published/<name>.csv. Raises FileNotFoundError that lists what there is."""
    path = root_folder() / "params" / "published" / f"{name}.csv"
    if not path.exists():
        there = ", ".join(p.stem for p in sorted(path.parent.glob("*.csv")))
        raise FileNotFoundError(f"no published numbers {name!r}; there are {there}")
    return pd.read_csv(path)


def statistics_beside(ours: pd.DataFrame) -> pd.DataFrame:
    """Published statistics with ours where a data set has the same domains; ours from reprolib.data.statistics."""
    theirs = published("statistics")
    domains = {
        name: {_plain(d) for d in part["domain"]}
        for name, part in ours.groupby("data set", sort=False)
    }
    rows = []
    for paper in theirs.to_dict("records"):
        pair = paper["paper"] == "SemaCDR"
        wanted = {_plain(d) for d in (paper["dataset"].split("-") if pair else [paper["domain"]])}
        base = {k: paper[k] for k in ("paper", "table", "dataset", "domain")}
        columns = ("users", "items", "interactions", "average length")
        rows.append(base | {"data": "published"} | {c: paper[c] for c in columns})
        for name, have in domains.items():
            if have == wanted:
                part = ours[
                    (ours["data set"] == name)
                    & (ours["domain"].map(_plain) == _plain(paper["domain"]))
                ]
                rows.append(base | {"data": name} | {c: part[c].iloc[0] for c in columns})
    return pd.DataFrame(rows)


def paper_statistics(paper: str, datasets: list[str], data_dir: str | None = None) -> pd.DataFrame:
    """The statistics that one paper prints, and those of the named data sets where they have the same domains."""
    from reprolib.data.datasets import load_corpus
    from reprolib.data.statistics import statistics

    beside = statistics_beside(
        pd.concat([statistics(load_corpus(name, data_dir)[0]) for name in datasets])
    )
    return beside[beside["paper"] == paper].drop(columns=["paper", "table"])


WITHIN = 0.05  # relative deviation up to which a published number counts as reached


def ranks_beside(grid: Grid) -> pd.DataFrame:
    """Published results (params/published/protocol.csv) beside ours, one row per number of a system that ran.

    Ours come from full ranks; for a sampled protocol it is the exact expectation under as many negatives. Columns
    dataset, system, question, metric, published, ours (mean over users and seeds), "deviation %", within ("yes" up to
    5 %), training (see `training_states`), seeds, source.
    """
    ranks = grid.ranks
    names = labels(ranks)
    states = training_states(ranks, grid.cost)
    training = dict(
        zip(zip(states["dataset"], labels(states), strict=True), states["training"], strict=True)
    )
    rows = []
    for row in published("protocol").to_dict("records"):
        part = ranks[(ranks["dataset"] == row["dataset"]) & (names == row["system"])]
        if part.empty:
            continue
        sampled = None if row["protocol"] == "full" else int(row["protocol"].split("-")[1])
        ours = per_user(part, row["metric"], sampled).mean()
        deviation = ours / row["value"] - 1
        rows.append(
            {
                "dataset": row["dataset"],
                "system": row["system"],
                "question": f"among {sampled} negatives" if sampled else "full ranking",
                "metric": row["metric"],
                "published": row["value"],
                "ours": ours,
                "deviation %": 100 * deviation,
                "within": "yes" if abs(deviation) <= WITHIN else "no",
                "training": training[row["dataset"], row["system"]],
                "seeds": part["seed"].nunique(),
                "source": row["source"],
            }
        )
    return pd.DataFrame(rows)


def paper_beside(
    grid: Grid, paper: str, table: str, metric: str = "NDCG@10", sampled: int = 100
) -> pd.DataFrame:
    """One metric of our runs and of a published table: full ranking, expected among sampled negatives, published.

    grid     our runs; one that failed is a row with dashes
    paper    key of the paper; table: "Table 1", as in params/published/<paper>.csv
    sampled  number of sampled negatives

    Returns one row per (direction, system), sorted by direction, with columns system, variant, on, direction,
    "METRIC full", "METRIC full ±", "METRIC among N", "METRIC among N ±", "METRIC published", training (see
    `training_states`), users and seeds; a system that the paper does not have gets an empty cell.
    """
    theirs = published(paper)
    theirs = theirs[(theirs["table"] == table) & (theirs["metric"] == metric)]
    values = theirs.groupby(["direction", "system"])["value"].mean()
    full = summarise(grid.ranks, [metric], holes=grid.holes)
    expected = summarise(grid.ranks, [metric], sampled=sampled, holes=grid.holes)
    names = labels(full)
    full[f"{metric} full"] = full[metric]
    full[f"{metric} full ±"] = full[f"{metric} ±"]
    full[f"{metric} among {sampled}"] = expected[metric]
    full[f"{metric} among {sampled} ±"] = expected[f"{metric} ±"]
    keys = zip(full["direction"].map(_plain_direction), names, strict=True)
    full[f"{metric} published"] = [values.get(key) for key in keys]
    states = training_states(grid.ranks, grid.cost)
    states = states.set_index([*SYSTEM, "direction"])["training"].to_dict()
    factors = full.reindex(columns=[*SYSTEM, "direction"], fill_value="").itertuples(
        index=False, name=None
    )
    full["training"] = [states.get(key, "failed") for key in factors]
    counts = full[["training", "users", "seeds"]]
    full = full.drop(columns=["dataset", metric, f"{metric} ±", "training", "users", "seeds"]).join(
        counts
    )
    place = {direction: i for i, direction in enumerate(full["direction"].unique())}
    return full.sort_values(
        "direction", key=lambda column: column.map(place), kind="stable", ignore_index=True
    )


def benchmark_beside(grid: Grid, name: str, sampled: int) -> pd.DataFrame:
    """Our runs among sampled negatives and, below them per direction, the rows of params/published/<name>.csv.

    sampled  number of sampled negatives of the benchmark
    """
    theirs = published(name).pivot_table(
        index=["direction", "system"], columns="metric", values="value"
    )
    metrics = [metric for metric in ("HR@5", "HR@10", "NDCG@10", "MRR") if metric in theirs]
    ours = summarise(grid.ranks, metrics, sampled=sampled, holes=grid.holes)
    both = pd.concat([ours.drop(columns="dataset"), theirs.reset_index()])
    return both.sort_values("direction", kind="stable", ignore_index=True)


def _plain_direction(direction: str) -> str:
    """A direction in the words of the published tables: without years and plurals, in lower case."""
    return ARROW.join(_plain(domain) for domain in direction.split(ARROW))


def _plain(domain: str) -> str:
    return domain.lower().removesuffix("2023").rstrip("s")
