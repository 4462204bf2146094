"""What a PersonaIndex is made of: vectors as bits, packed texts, ranges of rows, the graph. No scoring."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from reprolib.data.corpus import DataError

TEXTS = ("title", "name", "description", "rationale")
SEPARATOR = "\x1f"
BLOCK = 8192  # texts that are encoded, or rows that enter the graph, at a time


def bits(vectors: np.ndarray) -> np.ndarray:
    """The vectors as the kernels take them: float16 seen as uint16, float32 as it is."""
    if vectors.dtype not in (np.float16, np.float32):
        raise DataError(f"vectors are {vectors.dtype}; float32 or float16 is right")
    return vectors.view(np.uint16) if vectors.dtype == np.float16 else vectors


def floats(rows: np.ndarray) -> np.ndarray:
    """`bits` undone."""
    return rows.view(np.float16) if rows.dtype == np.uint16 else rows


def unit(vectors, width: int | None, n: int) -> np.ndarray:
    """(n, width) float32 unit rows. Raises DataError for another shape, for NaN, infinite or zero rows."""
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != n or (width and vectors.shape[1] != width):
        raise DataError(f"vectors of shape {vectors.shape}; right would be ({n}, {width or 'd'})")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(length).all() or (length == 0).any():
        bad = int(np.flatnonzero(~(np.isfinite(length) & (length > 0))[:, 0])[0])
        raise DataError(
            f"vector {bad} is zero or not finite; every text must be encoded to a direction"
        )
    return vectors / length


def encoded(
    texts: list[str], encode: Callable, kind: type, what: str, progress: bool
) -> np.ndarray:
    """(n, d) unit rows of that kind, encoded block by block, so that no second copy of all vectors is held."""
    starts = range(0, len(texts), BLOCK)
    vectors = np.empty((len(texts), unit(encode(texts[:1] or ["nothing"]), None, 1).shape[1]), kind)
    for at in tqdm(starts, f"encode {what}", disable=not progress or len(starts) < 2, leave=False):
        block = texts[at : at + BLOCK]
        vectors[at : at + BLOCK] = unit(encode(block), vectors.shape[1], len(block))
    return vectors


def persona_rows(offline) -> pd.DataFrame:
    """item, TEXTS and text of every persona by item; an item without personas has one row for its summary."""
    personas = offline.personas.sort_values(["item", "persona"], kind="stable")
    summaries = offline.summaries
    bare = summaries[
        ~summaries["item"].isin(personas["item"]) & summaries["summary"].str.strip().astype(bool)
    ]
    bare = pd.DataFrame({"item": bare["item"], "name": "", "description": bare["summary"], "rationale": "",
                         "text": bare["summary"]})  # fmt: skip
    columns = ["item", *TEXTS[1:], "text"]
    rows = pd.concat([personas[columns], bare[columns]]).sort_values(
        "item", kind="stable", ignore_index=True
    )
    titles = summaries.set_index("item")["title"] if "title" in summaries else {}
    rows.insert(1, "title", rows["item"].map(titles).fillna(""))
    return rows


def pack(texts):
    """The columns TEXTS of a DataFrame or Arrow table as one Arrow column: a fifth of the time to read a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(texts, pd.DataFrame):
        texts = pa.table(
            {name: pa.array(texts[name].astype(str), pa.large_string()) for name in TEXTS}
        )
    missing = set(TEXTS) - set(texts.column_names)
    if missing:
        raise DataError(
            f"the texts lack the column {', '.join(sorted(missing))}; right would be {', '.join(TEXTS)}"
        )
    parts = [
        pc.replace_substring(pc.fill_null(texts[name].cast(pa.large_string()), ""), SEPARATOR, " ")
        for name in TEXTS
    ]
    packed = pc.binary_join_element_wise(*parts, pa.scalar(SEPARATOR, pa.large_string()))
    return packed.combine_chunks() if isinstance(packed, pa.ChunkedArray) else packed


def pack_row(text: dict) -> str:
    """One dict of TEXTS as a packed text. Raises DataError for a missing key."""
    missing = [name for name in TEXTS if name not in text]
    if missing:
        raise DataError(
            f"the texts of a persona lack {', '.join(missing)}; right would be {', '.join(TEXTS)}"
        )
    return SEPARATOR.join(str(text[name]).replace(SEPARATOR, " ") for name in TEXTS)


def unpack(packed, item: np.ndarray):
    """The Arrow table item, TEXTS of packed texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.split_pattern(packed, SEPARATOR)
    return pa.table(
        {"item": item} | {name: pc.list_element(parts, i) for i, name in enumerate(TEXTS)}
    )


def ranges(codes: np.ndarray, what: str, least: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(begin, end) of the codes 0..n-1, or up to the largest: where each one's rows stand. DataError where unsorted."""
    codes = np.asarray(codes, np.int64)
    if len(codes) and (codes[0] < least or (np.diff(codes) < 0).any()):
        raise DataError(
            f"the {what} codes must be whole numbers from {least} on in ascending order; "
            f"sort the rows by {what}"
        )
    every = np.arange(max(n, codes[-1] + 1 if len(codes) else 0))
    return np.searchsorted(codes, every, "left"), np.searchsorted(codes, every, "right")


def new_graph(width: int, kind: np.dtype):
    """An empty HNSW graph for unit vectors; an item's code is the key of all its rows."""
    index_class = _usearch()
    return index_class(
        ndim=width, metric="ip", dtype="f16" if kind == np.float16 else "f32", multi=True
    )


def open_graph(path: Path, view: bool):
    """The graph of a file: mapped for reading (view), or read whole so that it can be changed."""
    graph = _usearch().restore(str(path), view=view)
    if graph is None:
        raise DataError(f"{path}: is no graph of usearch; build the index again with the graph")
    return graph


def _usearch():
    try:
        from usearch.index import Index
    except ImportError:
        raise DataError(
            "approximate search needs usearch; install it with pip install -e '.[serve]'"
        ) from None
    return Index
