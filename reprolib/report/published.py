"""The papers' numbers beside ours. They are read from params/published/, never typed into a notebook."""

import pandas as pd

from reprolib.evaluate.metrics import per_user
from reprolib.project import root_folder


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


def ranks_beside(ranks: pd.DataFrame) -> pd.DataFrame:
    """Published results (params/published/protocol.csv) beside ours, where the data set is the same.

    Ours come from full ranks; for a sampled protocol it is the exact expectation under as many negatives.
    """
    rows = []
    for row in published("protocol").to_dict("records"):
        part = ranks[(ranks["dataset"] == row["dataset"]) & (ranks["system"] == row["system"])]
        if len(part):
            sampled = None if row["protocol"] == "full" else int(row["protocol"].split("-")[1])
            ours = per_user(part, row["metric"], sampled).mean()
            rows.append(
                {k: row[k] for k in ("dataset", "system", "protocol", "metric")}
                | {
                    "published": row["value"],
                    "ours": ours,
                    "ours / published": ours / row["value"],
                    "source": row["source"],
                }
            )
    return pd.DataFrame(rows)


def paper_beside(
    full: pd.DataFrame, sampled: pd.DataFrame, paper: str, table: str, metrics: list[str]
) -> pd.DataFrame:
    """One row per (direction, system): our full ranking, our expected sampled metrics, and the published ones.

    full, sampled  `summarise` of the same ranks, with and without sampled negatives
    paper, table   which rows of params/published/<paper>.csv; a system the paper does not have gets empty cells
    """
    theirs = published(paper)
    theirs = theirs[theirs["table"] == table]
    theirs = theirs.pivot_table(index=["direction", "system"], columns="metric", values="value")
    rows = []
    for one, two in zip(full.to_dict("records"), sampled.to_dict("records"), strict=True):
        key = ("->".join(_plain(d) for d in one["direction"].split("→")), one["system"])
        told = theirs.loc[key] if key in theirs.index else {}
        row = {"direction": one["direction"], "system": one["system"]}
        for name, values in (("full", one), ("sampled", two)):
            row |= {f"{m} {name}{end}": values[f"{m}{end}"] for m in metrics for end in ("", " ±")}
        rows.append(
            row
            | {f"{m} published": told.get(m) for m in metrics}
            | {k: one[k] for k in ("users", "seeds")}
        )
    place = {direction: i for i, direction in enumerate(full["direction"].unique())}
    return pd.DataFrame(rows).sort_values(
        "direction", key=lambda d: d.map(place), kind="stable", ignore_index=True
    )


def benchmark_beside(ours: pd.DataFrame, name: str) -> pd.DataFrame:
    """Our rows of `summarise` and, per direction, the published ones of params/published/<name>.csv below them."""
    theirs = (
        published(name)
        .pivot_table(index=["direction", "system"], columns="metric", values="value")
        .reset_index()
    )
    theirs["direction"] = theirs["direction"].str.replace("->", "→")
    both = pd.concat([ours.drop(columns="dataset"), theirs])
    return both.sort_values("direction", kind="stable")[
        ["direction", *(c for c in both if c != "direction")]
    ]


def _plain(domain: str) -> str:
    return domain.lower().removesuffix("2023").rstrip("s")
