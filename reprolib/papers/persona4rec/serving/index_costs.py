"""What serving costs: latency of whole requests, memory of a fresh process, recall of the graph against its speed.

The time of a request does not depend on what the vectors say, recall of the graph does. Synthetic catalogues have
topics; two personas of an item have a cosine of about 0.5, as in the miniature world, two items of a topic one of 0.2.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from reprolib.papers.persona4rec.index.index import PersonaIndex
from reprolib.papers.persona4rec.index.packing import BLOCK, TEXTS, floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROWTH = (
    "Growth of the index: vectors in the file; seconds to save and load; memory that the index adds to a process "
    "which has answered 1,000 requests; milliseconds of one request of 20 candidates, of exact search of the "
    "whole catalogue, and of the graph, with the seconds of its build and the share of the top 20 that it finds."
)
PER_TOPIC = 200  # items of a synthetic topic
SPREAD, APART = (
    2.0,
    1.0,
)  # length of the random part of an item beside its topic, of a persona beside its item


def synthetic(
    items: int,
    width: int = 384,
    *,
    personas: int = 5,
    users: int = 1000,
    half: bool = False,
    letters: int = 300,
    seed: int = 0,
) -> PersonaIndex:
    """An index of random directions: `personas` per item, ten interactions per user, texts of so many letters."""
    random = np.random.default_rng(seed)
    topics = _directions(
        random.standard_normal((max(1, items // PER_TOPIC), width), dtype=np.float32)
    )
    vectors = np.empty((items * personas, width), np.float16 if half else np.float32)
    for at in range(0, items, BLOCK):
        n = min(BLOCK, items - at)
        near = _near(topics[random.integers(0, len(topics), n)], SPREAD, random)
        vectors[at * personas : (at + n) * personas] = _near(
            np.repeat(near, personas, axis=0), APART, random
        )
    taste = topics[np.repeat(random.integers(0, len(topics), users), 10)]
    history = _near(taste, SPREAD, random).astype(vectors.dtype)
    item = np.repeat(np.arange(1, items + 1), personas)
    return PersonaIndex(
        vectors,
        item,
        _texts(item, letters),
        history,
        np.repeat(np.arange(users), 10),
        items=[f"i{code}" for code in range(1, items + 1)],
        users=[f"u{u}" for u in range(users)],
        about={"dataset": "synthetic"},
    )


def _texts(item: np.ndarray, letters: int):
    import pyarrow as pa

    told = (
        "Reads for the plot, judges by the ending, and says so in every review. "
        * (letters // 60 + 1)
    )[:letters]
    constant = {
        "title": "A title",
        "name": "Careful Reader",
        "description": told,
        "rationale": "A review says it.",
    }
    return pa.table(
        {name: pa.repeat(pa.scalar(constant[name], pa.large_string()), len(item)) for name in TEXTS}
    )


def _near(vectors: np.ndarray, spread: float, random) -> np.ndarray:
    noise = random.standard_normal(vectors.shape, dtype=np.float32)
    return _directions(vectors + noise * np.float32(spread / np.sqrt(vectors.shape[1])))


def _directions(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def requests(
    index: PersonaIndex, n: int, candidates: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) random users and (n, candidates) random items of the catalogue; an item may stand twice in a request."""
    random = np.random.default_rng(seed)
    return random.choice(index.readers, n), random.choice(index.catalogue, (n, candidates))


def latency(
    rerank: Callable, users: np.ndarray, candidates: np.ndarray, warm: int = 20
) -> np.ndarray:
    """Milliseconds of each single request rerank(user, candidates), after `warm` requests that do not count."""
    for user, wanted in zip(users[:warm].tolist(), candidates[:warm], strict=True):
        rerank(user, wanted)
    times = np.empty(len(users))
    for i, (user, wanted) in enumerate(zip(users.tolist(), candidates, strict=True)):
        start = time.perf_counter_ns()
        rerank(user, wanted)
        times[i] = time.perf_counter_ns() - start
    return times / 1e6


def on_device(index: PersonaIndex, device: str) -> Callable:
    """`index.rerank` with the vectors in a torch device's memory ("cuda"), the same answer; texts stay on the CPU.

    Each request moves its row numbers to the device and the scores back, which is most of its time on a GPU. For an
    index as it was built or loaded: later updates are not seen.
    """
    import torch

    rows = torch.from_numpy(np.asarray(floats(index._rows))).to(device)
    history = torch.from_numpy(np.asarray(floats(index._history))).to(device)
    weights = torch.from_numpy(index._weights[::-1].copy()).to(device, rows.dtype)

    def rerank(user: int, candidates, k: int | None = None) -> list[dict]:
        begin, end = index._begin[candidates], index._end[candidates]
        at = begin[:, None] + np.arange(max(1, (end - begin).max()))
        inside = torch.from_numpy(at < end[:, None]).to(device)
        first, last = index._user_begin[user], index._user_end[user]
        first = max(first, last - index.length)
        vector = torch.nn.functional.normalize(weights[first - last :] @ history[first:last], dim=0)
        scores = rows[torch.from_numpy(np.minimum(at, len(rows) - 1)).to(device)] @ vector
        top, place = scores.masked_fill(~inside, -torch.inf).max(1)
        scores, best = (
            top.float().cpu().numpy(),
            np.where(end > begin, begin + place.cpu().numpy(), -1),
        )
        order = np.argsort(-scores, kind="stable")[:k]
        return index.answer(candidates[order], scores[order], best[order])

    return rerank


def serving_memory(folder: str | Path, n: int = 2000) -> dict[str, float]:
    """MiB of a fresh process that loads the folder and answers n requests: libraries, index, whole (resident)."""
    code = f"import sys; from {__name__} import _memory; _memory(sys.argv[1], int(sys.argv[2]))"
    result = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(n)], capture_output=True, text=True
    )
    if result.returncode:
        raise RuntimeError(
            f"the measuring process failed: {result.stderr.strip().splitlines()[-1]}"
        )
    return json.loads(result.stdout)


def _memory(folder: str, n: int) -> None:
    for half in (
        False,
        True,
    ):  # so that libraries and compiled kernels are loaded before the count begins
        with tempfile.TemporaryDirectory() as scratch:
            PersonaIndex.load(synthetic(10, 8, half=half).save(f"{scratch}/index")).rerank(0, [1])
    before, start = resident(), time.perf_counter()
    index = PersonaIndex.load(folder)
    seconds = time.perf_counter() - start
    loaded = resident()
    latency(index.rerank, *requests(index, n, 20))
    print(
        json.dumps(
            {
                "libraries MiB": before,
                "load s": seconds,
                "loaded MiB": loaded - before,
                "index MiB": resident() - before,
                "process MiB": resident(),
            }
        )
    )


def resident() -> float:
    """MiB of memory this process holds now."""
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def recall_and_speed(
    index: PersonaIndex, efforts: list[int], k: int = 20, queries: int = 200, seed: int = 0
) -> pd.DataFrame:
    """search, effort, recall@k, median and p99 ms: exact search, then the graph at each effort (nodes kept in view).

    Recall is the share of the exact top k that the graph finds; queries are random users.
    """
    users = np.random.default_rng(seed).choice(index.readers, queries)
    vectors = [index.user_vector(int(user)) for user in users]
    exact, times = _searches(index, vectors, k, True)
    rows = [{"search": "exact", "effort": np.nan, f"recall@{k}": 1.0, **_milliseconds(times)}]
    for effort in efforts:
        index.graph.expansion_search = effort
        found, times = _searches(index, vectors, k, False)
        recall = np.mean(
            [len(np.intersect1d(a, b)) / len(a) for a, b in zip(exact, found, strict=True)]
        )
        rows.append(
            {"search": "graph", "effort": effort, f"recall@{k}": recall, **_milliseconds(times)}
        )
    return pd.DataFrame(rows)


def _searches(index, vectors, k: int, exact: bool) -> tuple[list[np.ndarray], np.ndarray]:
    index.recommend(vectors[0], k, exact)
    found, times = [], np.empty(len(vectors))
    for i, vector in enumerate(vectors):
        start = time.perf_counter_ns()
        found.append(index.recommend(vector, k, exact)[0])
        times[i] = time.perf_counter_ns() - start
    return found, times / 1e6


def _milliseconds(times: np.ndarray) -> dict[str, float]:
    return {"median ms": float(np.median(times)), "p99 ms": float(np.quantile(times, 0.99))}


def growth(
    sizes: list[int],
    graph_up_to: int,
    folder: str | Path,
    *,
    width: int = 384,
    half: bool = True,
    n: int = 1000,
) -> pd.DataFrame:
    """One row per number of items (5 synthetic personas each), with the columns that GROWTH explains.

    graph_up_to  the largest catalogue for which a graph is built; n requests of 20 candidates are timed
    The indexes stand in `folder` while they are measured.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for items in tqdm(sizes, "catalogues", leave=False):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            rows.append(
                _grown(items, items <= graph_up_to, Path(scratch) / "index", width, half, n)
            )
    return pd.DataFrame(rows)


def _grown(items: int, with_graph: bool, folder: Path, width: int, half: bool, n: int) -> dict:
    clock = time.perf_counter
    index = synthetic(items, width, half=half, letters=100)
    times = [clock()]
    if with_graph:
        index.build_graph()
    times.append(clock())
    index.save(folder)
    times.append(clock())
    index = PersonaIndex.load(folder)
    times.append(clock())
    graph, save, load = np.diff(times)
    single = latency(index.rerank, *requests(index, n, 20))
    searches = recall_and_speed(index, [128] if with_graph else [], queries=20)
    sizes = index.sizes()
    memory = serving_memory(folder, n)["index MiB"]
    return {
        "items": items,
        "personas": sizes["rows"],
        "vectors MiB": sizes["bytes"] / 2**20,
        "save s": save,
        "load s": load,
        "resident MiB": memory,
        "rerank ms": float(np.median(single)),
        "rerank p99 ms": float(np.quantile(single, 0.99)),
        "exact ms": searches["median ms"][0],
        "graph s": graph if with_graph else np.nan,
        "graph ms": searches["median ms"][1] if with_graph else np.nan,
        "recall@20": searches["recall@20"][1] if with_graph else np.nan,
    }


def gpus() -> list[str]:
    """Name of the CUDA device that torch would use, in a list; an empty list without one."""
    import torch

    return [torch.cuda.get_device_name()] if torch.cuda.is_available() else []


def recall_figure(recall: pd.DataFrame) -> "Figure":
    """Milliseconds per user of exact search and of the graph at each effort, with the recall beside each bar.

    recall  from `recall_and_speed` with k = 20
    """
    from reprolib.report import PALETTE, panels

    rows = recall.iloc[::-1].to_dict("records")
    figure, axis = panels(height=0.9 + 0.42 * len(rows))
    for place, row in enumerate(rows):
        is_exact = np.isnan(row["effort"])
        hatch, colour = ("", PALETTE[0]) if is_exact else ("//", PALETTE[1])
        axis.barh(place, row["median ms"], 0.6, color=colour, hatch=hatch, edgecolor="white")
        axis.annotate(
            f"recall@20 {row['recall@20']:.4f}",
            xy=(row["median ms"], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    names = [
        "exact search" if np.isnan(row["effort"]) else f"graph, effort {row['effort']:.0f}"
        for row in rows
    ]
    axis.set_yticks(range(len(rows)), names)
    axis.set_xlim(0, 1.3 * recall["median ms"].max())
    axis.set_xlabel(
        "milliseconds per user (median); recall@20: share of the exact top 20 that is found"
    )
    axis.grid(axis="y", visible=False)
    return figure


def growth_sentence(growth: pd.DataFrame) -> str:
    """What `growth` shows between its smallest and its largest catalogue, in one sentence."""
    first, last = growth.iloc[0], growth.iloc[-1]
    if len(growth) < 2:
        return f"One catalogue was measured ({first['items']:,.0f} items): it shows no growth."
    items, rerank, exact = (last[c] / first[c] for c in ("items", "rerank ms", "exact ms"))
    return (
        f"With {items:,.0f} times the items a request of 20 candidates takes {rerank:.2g} times as long, "
        f"exact search of the catalogue {exact:.2g} times."
    )
