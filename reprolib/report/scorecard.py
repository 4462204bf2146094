"""The tables and figures of the scorecard. They show what was run and say what was not; an empty store is no error."""

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reprolib.evaluate.rank_table import labels
from reprolib.evaluate.significance import compare, holm, order_agreement, user_values
from reprolib.evaluate.summary import summarise
from reprolib.report.claims import PAPERS
from reprolib.report.figures import PALETTE, panels, plain_log
from reprolib.report.plots import name_sides
from reprolib.report.published import published
from reprolib.report.verdicts import NOT, OPEN, REPRODUCED, UNTESTABLE, plain
from reprolib.runs.systems import system_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = ("NDCG@10", "HR@10", "MRR")
COLOURS = {REPRODUCED: "#009E73", NOT: "#D55E00", OPEN: "#595959"}
MARKERS = {REPRODUCED: "o", NOT: "X", OPEN: "s"}
BLUE = PALETTE[0]
LIGHT = "#BBBBBB"
ROWS = 12  # claims that one picture shows
CLAIM_WIDTH = 62  # characters of a line of a claim
BESIDE = "decided by, or why not"
SHOWN = ["id", "claim", "verdict", "relative %", "95 % of it", "p (Holm)", "data", BESIDE]
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
                BESIDE: rows["decided by"].fillna(rows["why"]),
            }
        )
        .astype({"users": object, "seeds": object})
        .reset_index(drop=True)
    )


def caption(verdicts: pd.DataFrame, paper: str) -> str:
    """The caption of a paper's claims: how many there are, and how many of each verdict."""
    own = verdicts[verdicts["paper"] == paper]
    counts = own["verdict"].value_counts()
    verdict_names = (REPRODUCED, NOT, OPEN, UNTESTABLE)
    listed = ", ".join(f"{counts.get(name, 0)} {name}" for name in verdict_names)
    text = (
        f"{len(own)} claims of {paper}: {listed}. p is Holm-corrected over all comparisons of the "
        "paper. Relative effects between two groups or directions are percentage points."
    )
    if any(_synthetic(own)):
        text += " A verdict on the miniature world is about synthetic users."
    return text


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


def effects_figures(verdicts: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(caption, claims) of every picture: claims with an effect, at most ROWS of one paper together.

    Without any such claim there is one empty picture, and its caption says so.
    """
    tested = _with_effect(verdicts)
    pictures = []
    for paper in PAPERS:
        claims = tested[tested["paper"] == paper]
        count = -(-len(claims) // ROWS)
        for part in np.array_split(np.arange(len(claims)), max(1, count)):
            if len(part):
                text = (
                    f"Claims of {paper}: relative effect and 95 % interval of the comparison that "
                    "decided each; marker and colour show the verdict."
                )
                pictures.append((text, claims.iloc[part]))
    nothing = "Nothing to show: no claim could be tested on what is stored."
    return pictures or [(nothing, tested)]


def effects_figure(verdicts: pd.DataFrame) -> "Figure":
    """Forest plot: per claim, in its words, the relative effect of the deciding comparison with its 95 % interval."""
    drawn = _with_effect(verdicts)
    claims = [textwrap.fill(f"{row.claim} ({row.id})", CLAIM_WIDTH) for row in drawn.itertuples()]
    lines = sum(text.count("\n") + 1 for text in claims)
    figure, ax = panels(width=9.6, height=1.4 + 0.075 * len(claims) + 0.135 * max(lines, 8))
    if drawn.empty:
        return _nothing_run(figure, ax)
    rows = np.arange(len(drawn))[::-1]
    ends = drawn[["relative low", "relative high"]].astype(float)
    for verdict, colour in COLOURS.items():
        chosen = (drawn["verdict"] == verdict).to_numpy()
        middle = drawn.loc[chosen, "relative %"].astype(float)
        low, high = ends[chosen]["relative low"], ends[chosen]["relative high"]
        ax.errorbar(
            middle,
            rows[chosen],
            xerr=np.abs([middle - low, high - middle]),
            fmt=MARKERS[verdict],
            color=colour,
            capsize=2.5,
            elinewidth=1.5,
            markersize=6,
            label=verdict,
        )
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(rows, claims, fontsize=7.5)
    ax.set_ylim(-0.7, len(drawn) - 0.3)
    ax.grid(axis="y", visible=False)
    _percent_axis(ax, ends)
    name_sides(ax, "against the paper", "for the paper")
    figure.legend(loc="outside upper left", fontsize=8, ncols=3)
    return figure


def cost_quality_figure(
    ranks: pd.DataFrame, cost: pd.DataFrame, dataset: str, direction: str
) -> "Figure":
    """NDCG@10 with its interval beside training seconds (log), one row per system of the leaderboard, best first.

    A system that no better one undercuts in training time has a filled marker; the others cost more for less.
    """
    board = leaderboard(ranks, dataset, direction)
    spent = cost_table(cost, dataset, direction)
    both = board.merge(spent[["system", "training s"]], on="system")
    figure, (left, right) = panels(2, width=9.6, height=1.5 + 0.24 * max(len(both), 6), sharey=True)
    if both.empty:
        _nothing_run(figure, right)
        return _nothing_run(figure, left)
    rows = np.arange(len(both))[::-1]
    seconds = both["training s"].clip(lower=SHORTEST)
    is_useful = (seconds <= seconds.cummin()).to_numpy()
    low = (both["NDCG@10"] - both["NDCG@10 ±"]).clip(lower=0)
    high = (both["NDCG@10"] + both["NDCG@10 ±"]).clip(upper=1)
    left.hlines(rows, low, high, color=COLOURS[OPEN], linewidth=1.5)
    right.hlines(rows, seconds.min() / 1.5, seconds, color=LIGHT, linewidth=1)
    for ax, values in ((left, both["NDCG@10"]), (right, seconds)):
        ax.plot(
            values[is_useful], rows[is_useful], "o", color=BLUE, label="no better system is cheaper"
        )
        ax.plot(
            values[~is_useful],
            rows[~is_useful],
            "o",
            color=BLUE,
            mfc="white",
            label="a better system is cheaper",
        )
        ax.grid(axis="y", visible=False)
    left.set_yticks(rows, both["system"])
    left.set_xlim(left=0)
    left.set_xlabel("NDCG@10 with its 95 % interval")
    plain_log(right.xaxis)
    right.set_xlim(left=seconds.min() / 1.5)
    right.set_xlabel(f"training in seconds, logarithmic (at least {SHORTEST:g})")
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", fontsize=8, ncols=2)
    return figure


def _with_effect(verdicts: pd.DataFrame) -> pd.DataFrame:
    return verdicts.dropna(subset=["relative %", "relative low", "relative high"])


def _percent_axis(ax: "Axes", ends: pd.DataFrame) -> None:
    """An axis in percent, linear to ±10 and logarithmic beyond, that holds the intervals and both sides of zero."""
    ax.set_xscale("symlog", linthresh=10)
    marks = [-1000, -300, -100, -30, -10, 0, 10, 30, 100, 300, 1000]
    ax.set_xlim(1.3 * min(ends.min().min(), -10), 1.3 * max(ends.max().max(), 10))
    left, right = ax.get_xlim()
    ax.set_xticks([mark for mark in marks if left <= mark <= right])
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.set_xlabel("relative effect in % and its 95 % interval (logarithmic beyond ±10)")


def _nothing_run(figure: "Figure", ax: "Axes") -> "Figure":
    ax.text(0.5, 0.5, "nothing run yet", transform=ax.transAxes, ha="center")
    ax.set_xticks([])
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
        ids = tested["id"][tested["verdict"] == verdict]
        listed = f" ({', '.join(ids)})" if len(ids) else ""
        lines.append(textwrap.fill(f"{title}: {len(ids) or 'none'}{listed}.", 110))
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
