"""What a request costs each reranker: those that run a language model while the user waits, beside the index."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.papers.persona4rec.index.index import PersonaIndex
from reprolib.papers.persona4rec.serving.index_costs import latency, requests

# what is known of the methods themselves; numbers are measured or read from params/published
PROPERTIES = pd.DataFrame(
    [
        ("ZS-LLM", "while the user waits", "1 long prompt", "none, unless asked for as well"),
        ("RankVicuna", "while the user waits", "1 long prompt", "none"),
        ("TALLRec", "in training", "1 forward pass per candidate", "none"),
        ("EXP3RT", "while the user waits", "1 generated reasoning per candidate", "the reasoning"),
        ("PERSONA4REC", "before any request", "none", "the persona that matched"),
    ],
    columns=["system", "reasons", "language model at request time", "explanation"],
)
TABLE1 = (
    "Who reasons when. Milliseconds of one request of 20 candidates: median here (of the index: its first row in "
    "Table 7), beside the paper's."
)
TABLE7 = (
    "Milliseconds of one request of 20 candidates: mean ± standard deviation, median, 99th percentile. The index "
    "answers with explanations from a synthetic catalogue of seven personas per item. Memory: weights of a "
    "language model, vectors of an index. The causal LM called small was built and trained here on the task's "
    "own text."
)
NO_LM = "no language model"
VARIED = ("users, 20 candidates each", "candidates of one user")


@dataclass(frozen=True)
class Rival:
    """score  users (n,), candidates (n, k) -> (n, k) scores; runs: the model behind it; memory_gb: of its weights"""

    score: Callable[[np.ndarray, np.ndarray], np.ndarray]
    runs: str
    memory_gb: float = float("nan")


def rivals(
    dataset: Dataset,
    users: np.ndarray,
    items: np.ndarray,
    *,
    annotator: str = "embedded",
    lm: str = "small",
    samples: int = 256,
    epochs: int = 1,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Rival]:
    """ZS-LLM, TALLRec and EXP3RT, ready to score these users and items (EXP3RT reads their reviews beforehand).

    samples, epochs  of their training, which changes what they answer and hardly how long they take
    ZS-LLM's answers are kept in a cache of its own that starts empty, so that every new request is a call.
    """
    from reprolib.llm import open_llm
    from reprolib.rerankers.exp3rt import expected_ratings, extract, fit_exp3rt
    from reprolib.rerankers.histories import material_of
    from reprolib.rerankers.tallrec import fit_tallrec, pointwise
    from reprolib.rerankers.zs_llm import listwise

    read, llm = material_of(dataset), open_llm(annotator)
    training = {"lm": lm, "most": samples, "epochs": epochs}
    yes_no, _ = fit_tallrec(read, dataset.split, seed=seed, progress=progress, **training)
    known = extract(read, users, items, llm, progress=progress)
    rating, _ = fit_exp3rt(known, llm, seed=seed, progress=progress, **training)
    empty = tempfile.TemporaryDirectory()

    def zero_shot(who, wanted):
        return listwise(read, who, wanted, llm, cache=empty.name, progress=False)[0]

    return {
        "ZS-LLM": Rival(zero_shot, _annotator(llm)),
        "TALLRec": Rival(
            lambda who, wanted: pointwise(yes_no, read, who, wanted, False),
            _model(yes_no),
            yes_no.memory_gb,
        ),
        "EXP3RT": Rival(
            lambda who, wanted: expected_ratings(rating, known, who, wanted, False),
            _model(rating),
            rating.memory_gb,
        ),
    }


def _annotator(llm) -> str:
    return f"{llm.label}, {NO_LM}" if llm.reads_input else llm.label


def _model(lm) -> str:
    return f"causal LM {lm.name}, {sum(p.numel() for p in lm.model.parameters()) / 1e6:,.1f} M parameters"


def latency_row(system: str, runs: str, where: str, times: np.ndarray, memory_gb: float) -> dict:
    """A row of Table 7: mean with standard deviation, median and 99th percentile of milliseconds per request."""
    return {
        "system": system,
        "runs": runs,
        "on": where,
        "ms": times.mean(),
        "ms ±": times.std(ddof=1),
        "median ms": np.median(times),
        "p99 ms": np.quantile(times, 0.99),
        "memory GB": memory_gb,
        "requests": len(times),
    }


def where() -> str:
    """The device on which torch runs the rivals' models."""
    import torch

    if torch.cuda.is_available():
        return f"GPU, {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"


def rival_rows(
    found: dict[str, Rival], users: np.ndarray, candidates: np.ndarray, where: str
) -> list[dict]:
    """One row of Table 7 per rival: each request is one user with one list."""
    rows = []
    for name, rival in found.items():
        times = latency(
            lambda user, wanted, rival=rival: rival.score(np.array([user]), wanted[None]),
            users,
            candidates,
            warm=2,
        )
        rows.append(latency_row(name, rival.runs, where, times[2:], rival.memory_gb))
    return rows


def beside_published(rows: list[dict], published: pd.DataFrame) -> pd.DataFrame:
    """Table 7: our rows with the paper's milliseconds and memory of the same system and kind of device.

    published  params/published/persona4rec.csv
    """
    theirs = published[published["table"] == "Table 7"]
    frame = pd.DataFrame(rows)
    for name, metric in (("paper ms", "latency ms"), ("paper GB", "memory GB")):
        part = theirs[theirs["metric"] == metric]
        frame[name] = [_like(part, row["system"], row["on"]) for row in rows]
    return frame


def comparison(table7: pd.DataFrame) -> pd.DataFrame:
    """Table 1: properties of the methods beside the times of Table 7, the first row of each system."""
    times = table7.groupby("system", sort=False)[["median ms", "paper ms", "runs"]].first()
    times.loc[times["runs"].str.contains(NO_LM), "median ms"] = (
        np.nan
    )  # what it took says nothing of the method
    times = times.drop(columns="runs")
    return PROPERTIES.join(times.rename(columns={"median ms": "ms here"}), on="system")


def _like(part: pd.DataFrame, system: str, where: str) -> float:
    part = part[part["system"] == system]
    exact = part[part["note"] == ("CPU" if where.startswith("CPU") else "GPU")]
    part = exact if len(part) > 1 else part
    return float(part["value"].iloc[0]) if len(part) else float("nan")


def scaling(
    index: PersonaIndex,
    found: dict[str, Rival],
    users: np.ndarray,
    items: np.ndarray,
    counts: list[int],
    lengths: list[int],
    repeats: int = 25,
    seed: int = 0,
) -> pd.DataFrame:
    """Figure 4: system, what varies (VARIED), n, and ms of a whole call (of the index: median of repeats).

    Users wait in a row with 20 candidates each; or one user has n candidates. Users and items are drawn with
    repetition from those given. The index answers with explanations; TALLRec and EXP3RT with scores alone.
    """
    random, rows = np.random.default_rng(seed), []
    calls = {name: found[name].score for name in ("TALLRec", "EXP3RT")} | {
        "PERSONA4REC": _one_by_one(index)
    }
    plan = [(VARIED[0], n, n, 20) for n in counts] + [(VARIED[1], n, 1, n) for n in lengths]
    for name, call in calls.items():
        call(random.choice(users, 1), random.choice(items, (1, 20)))
        for varied, n, who, wanted in plan:
            times = []
            for _ in range(repeats if name == "PERSONA4REC" else 1):
                given = random.choice(users, who), random.choice(items, (who, wanted))
                start = time.perf_counter_ns()
                call(*given)
                times.append((time.perf_counter_ns() - start) / 1e6)
            rows.append({"system": name, "varied": varied, "n": n, "ms": float(np.median(times))})
    return pd.DataFrame(rows)


def _one_by_one(index: PersonaIndex) -> Callable:
    def call(users, candidates):
        return [
            index.rerank(user, wanted)
            for user, wanted in zip(users.tolist(), candidates, strict=True)
        ]

    return call


def own_rows(
    index: PersonaIndex, n: int, where: str, runs: str, rerank: Callable | None = None
) -> list[dict]:
    """The index's row of Table 7: n whole requests of 20 candidates with explanations, one after another."""
    times = latency(rerank or index.rerank, *requests(index, n, 20), warm=min(n, 200))
    return [latency_row("PERSONA4REC", runs, where, times, index.sizes()["bytes"] / 1e9)]
