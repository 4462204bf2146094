"""An index as a folder: JSON, safetensors, Parquet, and the graph in usearch's own form. Nothing is pickled.

Vectors are read by memory mapping: loading costs no copy, and processes that serve one folder share its pages.
"""

import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np

from reprolib.data.corpus import DataError

FORMAT = 1
KINDS = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
GRAPH = "graph.usearch"
ARRAYS = ("user", "history", "vectors")


def save(index, folder: str | Path) -> Path:
    """Write the index into the folder, in place of an older one; an interruption leaves the older one as it was.

    Rows that updates have outdated are left out. Raises DataError where the folder holds something else.
    """
    import pyarrow.parquet as pq

    folder = Path(folder)
    if folder.exists() and not (folder / "index.json").is_file() and any(folder.iterdir()):
        raise DataError(
            f"{folder}: holds something other than a persona index; expected an empty or new folder"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    parts = index.compact()
    about = {"format": FORMAT, "gamma": index.gamma, "length": index.length, "about": index.about}
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch, "fresh")
        fresh.mkdir()
        write_arrays(fresh / "vectors.safetensors", {name: parts[name] for name in ARRAYS})
        pq.write_table(parts["texts"], fresh / "personas.parquet")
        for name, ids in (("items", index.items), ("users", index.users)):
            if ids is not None:
                _write_ids(fresh / f"{name}.parquet", ids)
        if index.graph is not None:
            index.graph.save(str(fresh / GRAPH))
        (fresh / "index.json").write_text(json.dumps(about, indent=1), "utf-8")
        if folder.exists():
            os.replace(folder, Path(scratch, "old"))
        os.replace(fresh, folder)
    return folder


def load(folder: str | Path, mmap: bool = True) -> dict:
    """What `PersonaIndex` is constructed from; the graph, where there is one, is mapped under "graph".

    Raises DataError that names the file which is absent, damaged or of another format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    about = _read_about(folder / "index.json")
    arrays = read_arrays(folder / "vectors.safetensors", ARRAYS, mmap)
    try:
        texts = pq.read_table(folder / "personas.parquet", memory_map=mmap)
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{folder / 'personas.parquet'}: cannot be read ({first}); build it again"
        ) from None
    ids = {
        name: pq.read_table(path)["id"].to_pylist()
        if (path := folder / f"{name}.parquet").exists()
        else None
        for name in ("items", "users")
    }
    graph = folder / GRAPH if (folder / GRAPH).exists() else None
    return {
        **arrays,
        **ids,
        "texts": texts,
        "item": texts["item"].to_numpy(),
        "graph": graph,
        "gamma": float(about["gamma"]),
        "length": int(about["length"]),
        "about": about["about"],
    }


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """A safetensors file, written without a second copy in memory (the library's writer makes one)."""
    names, header, at = {kind: name for name, kind in KINDS.items()}, {}, 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": names[array.dtype],
            "shape": array.shape,
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            np.ascontiguousarray(array).tofile(stream)


def read_arrays(path: Path, wanted: tuple[str, ...], mmap: bool) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, mapped copy-on-write or read. Raises DataError on all but sound ones."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length)) if 8 + length <= size else None
        arrays = {}
        for name in wanted:
            kind, shape = KINDS[header[name]["dtype"]], tuple(map(int, header[name]["shape"]))
            first, last = header[name]["data_offsets"]
            if (
                min(shape) < 0
                or last - first != math.prod(shape) * kind.itemsize
                or 8 + length + last > size
            ):
                raise ValueError(f"{name} does not fit into the file")
            arrays[name] = _array(path, kind, shape, 8 + length + first, mmap)
        return arrays
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is no sound safetensors file with {', '.join(wanted)} ({error}); "
            "build the index again"
        ) from None


def _array(
    path: Path, kind: np.dtype, shape: tuple[int, ...], offset: int, mmap: bool
) -> np.ndarray:
    if not math.prod(shape):
        return np.empty(shape, kind)
    if mmap:
        return np.memmap(path, kind, "c", offset, shape).view(np.ndarray)
    return np.fromfile(path, kind, math.prod(shape), offset=offset).reshape(shape)


def _read_about(path: Path) -> dict:
    try:
        about = json.loads(path.read_text("utf-8"))
        if about["format"] != FORMAT:
            raise DataError(
                f"{path}: format {about['format']}, this version reads format {FORMAT}; build it again"
            )
        return about
    except FileNotFoundError:
        raise DataError(
            f"{path.parent}: has no index.json; expected a folder written by PersonaIndex.save"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path}: is not the description of an index ({error}); build it again"
        ) from None


def _write_ids(path: Path, ids: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": pa.array(ids, pa.string())}), path)
