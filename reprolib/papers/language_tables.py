"""What notebook 03 shows: the tasks, a job's price, and the picture of agreement."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from reprolib.catalogue import PAPERS
from reprolib.data.corpus import Corpus
from reprolib.data.datasets import world_folder
from reprolib.data.origin import Origin
from reprolib.data.world import read_world
from reprolib.llm.complete import estimate
from reprolib.llm.inputs import events_of, items_of
from reprolib.llm.task_names import all_tasks, task_named
from reprolib.llm.trait_bank import BANK
from reprolib.papers import agreement_world
from reprolib.papers.persona4rec import agreement
from reprolib.papers.sphere.tasks import Trait
from reprolib.report.figures import GREY, PALETTE, panels
from reprolib.text.encoders import MINILM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_NAMES = {paper.key: paper.name for paper in PAPERS} | {"rerank": "LLM rerankers"}

CHANCE, ABOVE = "by chance", "annotator, interval above chance"
NOT_ABOVE = "annotator, interval reaches chance"


def task_table() -> pd.DataFrame:
    """One row per task: what it writes, what it reads, what comes back."""
    return pd.DataFrame(
        {
            "paper": PAPER_NAMES[name.split("/")[0]],
            "task": name,
            "writes": task.about,
            "reads": ", ".join(task.input.model_fields),
            "returns": ", ".join(task.output.model_fields),
            "answer tokens at most": task.max_tokens,
        }
        for name, task in all_tasks().items()
    )


def read_domain(size: str, domain: str) -> Corpus:
    """One unprepared domain of the miniature world, named like a data set: "world-quick/books2023"."""
    corpus = read_world(world_folder(size), [domain])
    return replace(corpus, name=f"world-{size}/{domain}")


def against_world(
    world: Path, domain: str, llm, *, items: int, users: int, personas: int
) -> pd.DataFrame:
    """All measures of agreement with the miniature world's truth, for one domain."""
    frames = [
        agreement_world.labels(world, domain, llm, items=items),
        agreement_world.user_traits(world, domain, llm, users=users),
        agreement_world.purity(world, domain, llm, items=personas),
    ]
    return pd.concat(frames, ignore_index=True)


def against_reference(
    data_dir, datasets: list[str], llm, *, reviews: int
) -> tuple[pd.DataFrame, str]:
    """(measures against published gpt-4o-mini outputs, a sentence that says what was read or why nothing was)."""
    none = pd.DataFrame(columns=agreement.COLUMNS)
    folder = agreement.sample_folder(data_dir)
    if not datasets:
        return (
            none,
            "Skipped: this profile compares with no published outputs (REFERENCE is empty).",
        )
    if folder is None:
        return (
            none,
            "Skipped: persona4rec-sample is absent; set REPROLIB_DATA or DATA_DIR to the folder that holds it.",
        )
    frames = []
    for name in datasets:
        frames.append(agreement.aspects(folder, name, llm, reviews=reviews))
        frames.append(agreement.summaries(folder, name, llm))
        frames.append(agreement.personas(folder, name, llm))
        frames.append(agreement.selection(folder, name, llm))
    return pd.concat(
        frames, ignore_index=True
    ), f"Read the published outputs for {', '.join(datasets)}."


def price_table(world: Path, domain: str, llm, price: tuple[float, float]) -> pd.DataFrame:
    """What a language model would be asked for one whole domain, and cost at most. Nothing is asked.

    price  per million prompt and answer tokens; tokens are counted as four characters each
    """
    corpus = read_world(world, [domain])
    items = items_of(corpus)
    events = events_of(corpus.interactions, items)
    traits = [Trait(id=t["name"], **t) for t in BANK[:10]]
    labels = [{"name": t["name"], "labels": [t["low_pole"], t["high_pole"]]} for t in BANK[:8]]
    reviews = corpus.interactions.filter(pl.col("review").is_not_null())["review"].to_list()
    kind = "persona4rec/restaurant_aspects" if domain == "restaurants" else "persona4rec/aspects"
    jobs = {
        "semacdr/labels": [
            {"item": i, "domain": domain, "categories": labels} for i in items.values()
        ],
        "semacdr/enrich": [{"item": i, "domain": domain} for i in items.values()],
        "sphere/persona": [{"vocabulary": traits, "history": told} for told in events.values()],
        "persona4rec/summary": [{"item": i} for i in items.values()],
        kind: [{"review": review} for review in reviews],
        "llm_edt/summarize": [
            {"domain": domain, "items": [{"title": e.title} for e in told]}
            for told in events.values()
        ],
    }
    rows = [estimate(task_named(name), given, llm, price=price) for name, given in jobs.items()]
    columns = {"task": "task", "inputs": "inputs", "distinct": "calls", "prompt_tokens": "prompt tokens",
               "completion_tokens_at_most": "answer tokens at most", "cost_at_most": "cost at most"}  # fmt: skip
    return pd.DataFrame(rows)[list(columns)].rename(columns=columns)


def agreement_origin(corpus: Corpus, llm, *, users: int, reference: pd.DataFrame) -> Origin:
    """The origin of the measures of agreement.

    corpus     of the miniature world whose truth is known
    llm        the annotator that is judged
    users      whose personas were compared with the truth, at most those of the corpus
    reference  from `against_reference`; not empty where published outputs were read
    """
    users = min(users, corpus.origin.n_users)
    origin = Origin(((corpus.name, users),), annotators=(llm.label,), encoders=(MINILM,))
    if len(reference):
        origin |= Origin((("persona4rec-sample", 0),))
    return origin


def agreement_figure(frame: pd.DataFrame) -> "Figure":
    """Dots with 95 % intervals for every measure between 0 and 1, a grey bar where chance would be.

    frame  with the columns of `agreement.COLUMNS`; one panel per value of column data
    Above chance a dot is filled; where its interval reaches chance it is hollow.
    """
    shown = frame[frame["by chance"].notna() & frame["annotator"].between(0, 1)]
    groups = list(shown.groupby("data", sort=False))
    sizes = [len(part) for _, part in groups]
    height = 1.2 + 0.32 * sum(sizes) + 0.4 * len(groups)
    figure, axes = panels(
        1, len(groups), width=9.6, height=height, sharex=True, squeeze=False, height_ratios=sizes
    )
    for ax, (name, part) in zip(axes[:, 0], groups, strict=True):
        rows = np.arange(len(part))[::-1]
        half = part["annotator ±"].fillna(0)
        low = (part["annotator"] - half).clip(lower=0)
        high = (part["annotator"] + half).clip(upper=1)
        is_above = (low > part["by chance"]).to_numpy()
        ax.hlines(rows, low, high, color=PALETTE[0], linewidth=1.5)
        ax.plot(
            part["by chance"], rows, "|", color=GREY, markersize=14, markeredgewidth=4, label=CHANCE
        )
        for chosen, fill, label in ((is_above, PALETTE[0], ABOVE), (~is_above, "white", NOT_ABOVE)):
            values = part["annotator"][chosen]
            ax.plot(
                values, rows[chosen], "o", color=PALETTE[0], mfc=fill, markersize=7, label=label
            )
        ax.set_yticks(rows, part["task"].str.split("/").str[1] + ": " + part["measure"], fontsize=8)
        ax.set_ylim(-0.6, len(part) - 0.4)
        ax.set_title(name, loc="left")
        ax.grid(axis="y", visible=False)
    axes[-1, 0].set_xlim(-0.02, 1.02)
    axes[-1, 0].set_xlabel("agreement (share) or likeness (cosine)")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3, fontsize=8)
    return figure


def agreement_sentence(frame: pd.DataFrame) -> str:
    """Which measures clear chance and which do not, read off the frame of `agreement_figure`."""
    judged = frame[frame["by chance"].notna() & frame["annotator"].between(0, 1)]
    names = judged["task"].str.split("/").str[1] + " (" + judged["measure"] + ")"
    is_above = judged["annotator"] - judged["annotator ±"].fillna(0) > judged["by chance"]
    above = ", ".join(dict.fromkeys(names[is_above])) or "none"
    others = ", ".join(dict.fromkeys(names[~is_above])) or "none"
    return f"Above chance with 95 % confidence: {above}.\nNot told apart from chance: {others}."


def largest_job_sentence(priced: pd.DataFrame) -> str:
    """The task of `price_table` with most calls, and its share of them."""
    largest = priced.loc[priced["calls"].idxmax()]
    share = largest["calls"] / max(1, priced["calls"].sum())
    return f"Most calls: {largest['task']}, {largest['calls']:,} of {priced['calls'].sum():,} ({share:.0%})."
