"""The tables and figures of the scorecard. They show what was run and say what was not; an empty store is no error."""

import numpy as np
import pandas as pd

from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.significance import compare, holm, order_agreement, user_values
from reprolib.evaluate.summary import summarise
from reprolib.report.claims import PAPERS
from reprolib.report.figures import panels, style_of
from reprolib.report.published import published
from reprolib.report.verdicts import NOT, OPEN, REPRODUCED, UNTESTABLE, plain
from reprolib.runs.systems import system_names

METRICS = ("NDCG@10", "HR@10", "MRR")
COLOURS = {REPRODUCED: "#009E73", NOT: "#D55E00", OPEN: "#7F7F7F"}
FILLS = {
    "-": "full",
    "--": "none",
    "-.": "left",
    ":": "bottom",
}  # a point has no dashes to tell two systems apart
SHORTEST = 0.01  # seconds; what trains in no time stands here on a logarithmic axis


def claims_table(verdicts: pd.DataFrame, paper: str | None = None) -> pd.DataFrame:
    """The rows of `judge` for reading: one interval per number, p as text, the miniature world named in the verdict."""
    rows = verdicts[verdicts["paper"] == paper] if paper else verdicts
    named = [
        v + ", on the miniature world" * made
        for v, made in zip(rows["verdict"], _synthetic(rows), strict=True)
    ]
    interval = [
        _interval(low, high)
        for low, high in zip(rows["relative low"], rows["relative high"], strict=True)
    ]
    return (
        pd.DataFrame(
            {
                "paper": rows["paper"],
                "id": rows["id"],
                "claim": rows["claim"],
                "place": rows["place"],
                "raised by": rows["origin"],
                "verdict": named,
                "effect": rows["effect"],
                "effect ±": rows["effect ±"],
                "relative %": rows["relative %"].round(1),
                "95 % of it": interval,
                "d_z": rows["d_z"].round(3),
                "p (Holm)": [
                    f"{p:.2g}" if np.isfinite(p) else None for p in rows["p"].astype(float)
                ],
                "decided by": rows["decided by"],
                "data": rows["data"],
                "scope": rows["scope"],
                "annotator": rows["annotator"],
                "users": [_whole(n) for n in rows["users"]],
                "seeds": [_whole(n) for n in rows["seeds"]],
                "why": rows["why"],
            }
        )
        .astype({"users": object, "seeds": object})
        .reset_index(drop=True)
    )


def verdict_counts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Claims by paper and verdict."""
    table = pd.crosstab(verdicts["paper"], verdicts["verdict"])
    columns = [REPRODUCED, NOT, OPEN, UNTESTABLE]
    papers = [p for p in PAPERS if p in table.index]
    return table.reindex(index=papers, columns=columns, fill_value=0).rename_axis(columns=None)


def leaderboard(ranks: pd.DataFrame, dataset: str, direction: str) -> pd.DataFrame:
    """Every system that ran on the pair (no ablations), best NDCG@10 first, with intervals.

    A dagger marks a paper's system that beats the best baseline (paired t-test, Holm over the papers' systems).
    """
    part = _on(ranks, dataset, direction)
    part = part[part["variant"] == ""]
    columns = [
        "system",
        *(c for m in METRICS for c in (m, f"{m} ±")),
        "NDCG@10 †",
        "users",
        "seeds",
    ]
    if part.empty:
        return pd.DataFrame(columns=columns)
    table = summarise(part, list(METRICS)).sort_values("NDCG@10", ascending=False)
    table["system"] = labels(table)
    own = [name for name in table["system"] if name.startswith(PAPERS)]
    baselines = [name for name in table["system"] if name not in own]
    better = set()
    if own and baselines:
        values = user_values(part[labels(part).isin([*own, baselines[0]])], "NDCG@10")
        tests = [compare(values, name, baselines[0], bootstraps=0) for name in own]
        better = {
            name
            for name, test, p in zip(own, tests, holm([t["p_t"] for t in tests]), strict=True)
            if p < 0.05 and test["difference"] > 0
        }
    return table.assign(**{"NDCG@10 †": table["system"].isin(better)})[columns].reset_index(
        drop=True
    )


def cost_table(cost: pd.DataFrame, dataset: str, direction: str) -> pd.DataFrame:
    """Training seconds, parameters, language-model calls (0 where none is used) and coverage, mean over seeds."""
    columns = ["system", "training s", "parameters", "LLM calls", "coverage@10", "runs"]
    part = _on(cost, dataset, direction)
    part = part[part["variant"] == ""]
    if part.empty:
        return pd.DataFrame(columns=columns)
    part = part.assign(system=part["label"])
    calls = part["llm_calls"] if "llm_calls" in part else pd.Series(np.nan, part.index)
    part = part.assign(calls=calls.where(part["llm"], 0.0))
    table = (
        part.groupby("system", sort=False)
        .agg(
            seconds=("train_seconds", "mean"),
            parameters=("parameters", "mean"),
            calls=("calls", "mean"),
            coverage=("coverage@10", "mean"),
            runs=("seed", "size"),
        )
        .sort_values("seconds")
        .reset_index()
    )
    table[["parameters", "calls"]] = table[["parameters", "calls"]].map(_whole).astype(object)
    return table.set_axis(columns, axis=1)


def beside(ranks: pd.DataFrame, metrics: tuple[str, ...] = ("NDCG@10", "HR@10")) -> pd.DataFrame:
    """Published values beside ours where data set, direction and protocol agree (params/published/same_data.csv).

    Sampled protocols are the exact expectation from our full ranks. Kendall's tau compares the orders of the systems.
    """
    columns = [
        "paper",
        "data",
        "direction",
        "protocol",
        "metric",
        "system",
        "published",
        "published ±",
        "measured",
        "measured ±",
        "Kendall's tau",
        "systems",
        "what differs",
    ]
    tables = []
    for same in published("same_data").to_dict("records"):
        theirs = published(same["file"])
        theirs = theirs[(theirs["dataset"] == same["dataset"]) & theirs["metric"].isin(metrics)]
        theirs = theirs[theirs["protocol"].str.fullmatch(r"full|sampled-\d+", na=False)]
        theirs = theirs.drop_duplicates(["direction", "system", "metric"])
        for (direction, protocol, metric), rows in theirs.groupby(
            ["direction", "protocol", "metric"], sort=False
        ):
            ours = _on(ranks, same["ours"], direction)
            if len(ours):
                table = _beside(rows, ours, metric, protocol)
                key = {
                    "paper": same["paper"],
                    "data": same["ours"],
                    "direction": direction,
                    "protocol": protocol,
                }
                tables.append(
                    table.assign(**key, metric=metric, **{"what differs": same["difference"]})
                )
    tables = [t for t in tables if len(t)]
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    )


def _beside(rows: pd.DataFrame, ours: pd.DataFrame, metric: str, protocol: str) -> pd.DataFrame:
    sampled = None if protocol == "full" else int(protocol.split("-")[1])
    measured = summarise(ours, [metric], sampled=sampled)
    measured = measured.assign(system=labels(measured))[["system", metric, f"{metric} ±"]]
    both = rows[["system", "value", "spread"]].merge(measured.astype({"system": str}), on="system")
    both = both.set_axis(["system", "published", "published ±", "measured", "measured ±"], axis=1)
    tau, _, n = order_agreement(
        *(dict(zip(both["system"], both[c], strict=True)) for c in ("published", "measured"))
    )
    return both.assign(**{"Kendall's tau": tau, "systems": n}).sort_values(
        "published", ascending=False
    )


def effects_figure(verdicts: pd.DataFrame):
    """Forest plot: per tested claim the relative effect of the deciding comparison with its 95 % interval."""
    drawn = verdicts.dropna(subset=["relative %", "relative low", "relative high"]).iloc[::-1]
    figure, ax = panels(height=1.4 + 0.11 * max(len(drawn), 10))
    for verdict, colour in COLOURS.items():
        at = np.flatnonzero(drawn["verdict"] == verdict)
        part = drawn.iloc[at]
        middle = part["relative %"].astype(float)
        error = np.abs([middle - part["relative low"], part["relative high"] - middle]).astype(
            float
        )
        marker = {REPRODUCED: "o", NOT: "X", OPEN: "s"}[verdict]
        ax.errorbar(
            middle,
            at,
            xerr=error,
            fmt=marker,
            color=colour,
            capsize=1.5,
            elinewidth=1,
            markersize=4,
            label=verdict,
        )
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(range(len(drawn)), drawn["id"], fontsize=5)
    ax.margins(y=0.02)
    ax.grid(axis="y", visible=False)
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xticks([-1000, -300, -100, -30, -10, 0, 10, 30, 100, 300, 1000])
    ax.xaxis.set_major_formatter("{x:.0f}")
    if len(drawn):
        ends = drawn[["relative low", "relative high"]].astype(float)
        ax.set_xlim(1.3 * min(ends.min().min(), -10), 1.3 * max(ends.max().max(), 10))
    ax.set_xlabel("relative effect in %, in the claimed direction (logarithmic beyond ±10)")
    return _finish(figure, ax, drawn, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)


def cost_quality_figure(ranks: pd.DataFrame, cost: pd.DataFrame, dataset: str, direction: str):
    """Training seconds (log) against NDCG@10 with its interval, one point per system of the leaderboard."""
    board, spent = leaderboard(ranks, dataset, direction), cost_table(cost, dataset, direction)
    both = board.merge(spent[["system", "training s"]], on="system")
    figure, ax = panels()
    for place, row in enumerate(both.to_dict("records")):
        style = style_of(row["system"], place)
        style |= {"fillstyle": FILLS[style["linestyle"]], "linestyle": ""}
        ax.errorbar(
            max(row["training s"], SHORTEST),
            row["NDCG@10"],
            yerr=row["NDCG@10 ±"],
            capsize=2,
            label=row["system"],
            **style,
        )
    ax.set_xscale("log")
    ax.set_xlabel(f"training in seconds, mean over seeds (at least {SHORTEST})")
    ax.set_ylabel("NDCG@10")
    return _finish(figure, ax, both, loc="upper left", bbox_to_anchor=(1, 1))


def _finish(figure, ax, drawn: pd.DataFrame, **legend):
    if len(drawn):
        ax.legend(fontsize=7, **legend)
    else:
        ax.text(0.5, 0.5, "nothing run yet", transform=ax.transAxes, ha="center")
        ax.set_xticks([], minor=False)
        ax.set_yticks([])
    return figure


def summary(verdicts: pd.DataFrame, left_out: list[str]) -> str:
    """What is robust and what is not, in sentences made from the verdicts."""
    tested = verdicts[verdicts["verdict"] != UNTESTABLE]
    lines = [f"{len(verdicts)} claims, {len(tested)} of them tested on what is stored."]
    for verdict, title in (
        (REPRODUCED, "Robust here"),
        (NOT, "Not reproduced here"),
        (OPEN, "Undecided"),
    ):
        part = tested[tested["verdict"] == verdict]
        lines.append(f"{title}: {len(part) or 'none'}.")
        lines += [f"  {row.id}  {row.claim} ({row.why})" for row in part.itertuples()]
    if any(_synthetic(tested)):
        lines.append(
            "Verdicts on the miniature world are about synthetic users, not about the papers' data."
        )
    known = tuple(f"{name} " for name in system_names())  # variants of a system that exists
    waiting = pd.Series(
        [
            s
            for why in verdicts["why"].dropna()
            if "not run: " in why
            for s in why.split("not run: ")[1].split(", ")
            if not s.startswith(known)
        ],
        dtype=object,
    )
    if len(waiting):
        counts = waiting.value_counts().head(8)
        lines.append(
            "Most awaited systems: "
            + ", ".join(f"{name} ({n} claims)" for name, n in counts.items())
            + "."
        )
    lines += [f"Left out: {sentence}." for sentence in left_out]
    return "\n".join(lines)


def _synthetic(rows: pd.DataFrame) -> list[bool]:
    return ["miniature world" in str(data) for data in rows["data"]]


def _on(frame: pd.DataFrame, dataset: str, direction: str) -> pd.DataFrame:
    part = frame[frame["dataset"] == dataset]
    same = [d for d in part["direction"].unique() if plain(d) == plain(direction)]
    return part[part["direction"].isin(same)].astype(
        dict.fromkeys(
            [c for c in ("system", "variant", "on", "label", "direction", "dataset") if c in part],
            str,
        )
    )


def _interval(low, high) -> str | None:
    return f"[{low:.1f}, {high:.1f}]" if np.isfinite([low, high]).all() else None


def _whole(number) -> int | None:
    return round(number) if pd.notna(number) else None
