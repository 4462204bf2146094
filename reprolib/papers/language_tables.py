"""What notebook 03 shows: the tasks, a job's price, and the picture of agreement."""

from pathlib import Path

import pandas as pd
import polars as pl

from reprolib.catalogue import PAPERS
from reprolib.data.world import read_world
from reprolib.llm.complete import estimate
from reprolib.llm.inputs import events_of, items_of
from reprolib.llm.task_names import all_tasks, task_named
from reprolib.llm.trait_bank import BANK
from reprolib.papers import agreement_world
from reprolib.papers.persona4rec import agreement
from reprolib.papers.sphere.tasks import Trait

PAPER_NAMES = {paper.key: paper.name for paper in PAPERS} | {"rerank": "LLM rerankers"}


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


def against_world(
    world: Path, domain: str, llm, *, items: int, users: int, personas: int, cache=None
) -> pd.DataFrame:
    """All measures of agreement with the miniature world's truth, for one domain."""
    frames = [
        agreement_world.labels(world, domain, llm, items=items, cache=cache),
        agreement_world.user_traits(world, domain, llm, users=users, cache=cache),
        agreement_world.purity(world, domain, llm, items=personas, cache=cache),
    ]
    return pd.concat(frames, ignore_index=True)


def against_reference(
    data_dir, datasets: list[str], llm, *, reviews: int, cache=None
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
        frames.append(agreement.aspects(folder, name, llm, reviews=reviews, cache=cache))
        frames += [measure(folder, name, llm, cache=cache)
                   for measure in (agreement.summaries, agreement.personas, agreement.selection)]  # fmt: skip
    return pd.concat(
        frames, ignore_index=True
    ), f"Read the published outputs for {', '.join(datasets)}."


def price_table(
    world: Path, domain: str, llm, price: tuple[float, float], *, cache=None
) -> pd.DataFrame:
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
    rows = [
        estimate(task_named(name), given, llm, cache=cache, price=price)
        for name, given in jobs.items()
    ]
    columns = {"task": "task", "inputs": "inputs", "distinct": "calls", "prompt_tokens": "prompt tokens",
               "completion_tokens_at_most": "answer tokens at most", "cost_at_most": "cost at most"}  # fmt: skip
    return pd.DataFrame(rows)[list(columns)].rename(columns=columns)


def agreement_figure(frame: pd.DataFrame):
    """Dots with 95 % intervals for every measure between 0 and 1, a grey bar where chance would be."""
    import matplotlib.pyplot as plt

    shown = frame[frame["by chance"].notna() & frame["annotator"].between(0, 1)][::-1]
    groups = list(shown.groupby("data", sort=False))[::-1]
    sizes = [len(part) for _, part in groups]
    figure, axes = plt.subplots(len(groups), 1, figsize=(8, 0.6 + 0.3 * sum(sizes) + 0.5 * len(groups)), sharex=True,
                                squeeze=False, height_ratios=sizes, layout="constrained")  # fmt: skip
    for axis, (name, part) in zip(axes[:, 0], groups, strict=True):
        rows = range(len(part))
        axis.errorbar(part["annotator"], rows, xerr=part["annotator ±"].fillna(0), fmt="o", color="black", markersize=5,
                      capsize=2, label="annotator, 95 % interval")  # fmt: skip
        axis.scatter(
            part["by chance"], rows, marker="|", s=160, linewidths=3, color="0.6", label="by chance"
        )
        axis.set_yticks(
            rows, part["task"].str.split("/").str[1] + ": " + part["measure"], fontsize=8
        )
        axis.set_title(name, loc="left", fontsize=9)
        axis.grid(axis="x", color="0.9")
    axes[-1, 0].set(xlabel="agreement or likeness", xlim=(0, 1))
    axes[0, 0].legend(fontsize=8, loc="lower right")
    return figure
