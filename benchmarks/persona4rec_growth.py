"""Memory and time of an index of a million personas, float16: build, save, load, serve.

    python benchmarks/persona4rec_growth.py [--personas 1000000] [--width 384] [--graph]

A process of its own builds from texts of 150 letters with an encoder that only draws directions; counted is what its
peak adds to what it held before. Another process loads the folder and answers requests.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from common import show, verdict

PER_ITEM, USERS = 5, 10_000


def texts(personas: int):
    """An offline stage of that many personas and USERS users with ten interactions each."""
    import pandas as pd

    items = personas // PER_ITEM
    told = "Looks for a plot that moves, judges by the ending, and says in every review what could have been better."
    item = np.repeat(np.arange(1, items + 1), PER_ITEM)
    frame = pd.DataFrame(
        {
            "item": item,
            "persona": np.tile(np.arange(PER_ITEM), items),
            "name": "Careful Reader",
            "description": told,
            "rationale": "A review says that it was worth it.",
            "text": told,
        }
    )
    user = np.repeat(np.arange(USERS), 10)
    return SimpleNamespace(
        personas=frame,
        annotator="none",
        interactions=pd.DataFrame({"user": user, "item": 1, "text": told}),
        summaries=pd.DataFrame(
            {"item": np.arange(1, items + 1), "title": "A title", "summary": ""}
        ),
    )


def build(folder: str, personas: int, width: int, graph: bool) -> None:
    """In a process of its own: build and save, print seconds and GiB."""
    from reprolib.papers.persona4rec.index.index import PersonaIndex
    from reprolib.papers.persona4rec.serving.index_costs import resident

    random = np.random.default_rng(0)
    offline = texts(personas)
    PersonaIndex.build(texts(10), lambda block: np.ones((len(block), 8)), half=True, progress=False)
    before, start = resident(), time.perf_counter()
    index = PersonaIndex.build(
        offline,
        lambda block: random.standard_normal((len(block), width), dtype=np.float32),
        half=True,
    )
    built = time.perf_counter()
    if graph:
        index.build_graph()
    linked = time.perf_counter()
    index.save(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        json.dumps(
            {
                "build s": built - start,
                "graph s": linked - built,
                "save s": time.perf_counter() - linked,
                "vectors GiB": index.sizes()["bytes"] / 2**30,
                "peak GiB": (peak - before) / 2**10,
            }
        )
    )


def main(personas: int, width: int, graph: bool) -> None:
    """Build, load, ask, print."""
    from reprolib.papers.persona4rec.index.index import PersonaIndex
    from reprolib.papers.persona4rec.serving.index_costs import latency, requests, serving_memory

    with tempfile.TemporaryDirectory() as scratch:
        folder = f"{scratch}/index"
        code = (
            f"from persona4rec_growth import build; build({folder!r}, {personas}, {width}, {graph})"
        )
        child = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        made, held = json.loads(child.stdout), serving_memory(folder)
        index = PersonaIndex.load(folder)
        times = latency(index.rerank, *requests(index, 5000, 20))
    factor, most = made["peak GiB"] / made["vectors GiB"], 4 if graph else 3
    show(
        f"{personas:,} personas, width {width}, float16",
        [
            made
            | {
                "load s": held["load s"],
                "after load MiB": held["loaded MiB"],
                "after 2,000 requests MiB": held["index MiB"],
                "request ms": float(np.median(times)),
                "request p99 ms": float(np.quantile(times, 0.99)),
            }
        ],
    )
    verdict(
        [
            (f"the build's peak is {factor:.1f} times the vectors, at most {most}", factor <= most),
            (
                f"loading holds {held['loaded MiB'] / 1024 / made['vectors GiB']:.2f} times the vectors, at most once",
                held["loaded MiB"] / 1024 <= made["vectors GiB"],
            ),
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--personas", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--graph", action="store_true")
    arguments = parser.parse_args()
    main(arguments.personas, arguments.width, arguments.graph)
