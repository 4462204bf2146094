"""Stored cells: one Parquet file a run, ranks and record together, with a checksum that is verified.

A file is written beside its place and renamed, so a killed run leaves no half cell and two processes can share a store.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reprolib.evaluate.rank_table import OF_USER

FORMAT = 3  # of a stored cell; a cell of another format is made again
KEY = b"reprolib"  # of the record in the file's metadata


class DamagedCell(ValueError):
    """A stored cell that cannot be used: the sentence names the file and what is wrong with it."""


@dataclass(frozen=True)
class Cell:
    """What one run left.

    info   its record: run, digests, history, cost
    ranks  columns OF_USER, one row per held-out event
    """

    info: dict
    ranks: pd.DataFrame


def default_store() -> Path:
    """`<cache>/results`."""
    from reprolib.cache import cache_dir

    return cache_dir() / "results"


def cell_path(store: Path, digest: str) -> Path:
    """The file of the cell with that digest."""
    return store / f"{digest}.parquet"


def write_cell(path: Path, ranks: pd.DataFrame, info: dict) -> None:
    """Write ranks (columns OF_USER; others are left out) and record as one file, whole or not at all."""
    own = ranks[list(OF_USER)].reset_index(drop=True)
    record = info | {"format": FORMAT}
    record["checksum"] = _checksum(own, record)
    table = pa.Table.from_pandas(own, preserve_index=False)
    table = table.replace_schema_metadata({KEY: json.dumps(record).encode()})
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, temporary, compression="zstd")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_cell(path: Path) -> Cell | None:
    """The cell; None where there is none, or one of another format.

    Raises DamagedCell where the file does not read or its content is not what was written.
    """
    try:
        table = pq.read_table(path, use_threads=False)
        info = json.loads((table.schema.metadata or {})[KEY])
    except FileNotFoundError:
        return None
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise DamagedCell(f"{path.name}: {_first_line(error)}") from None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        return None
    try:
        ranks = table.replace_schema_metadata().to_pandas()[list(OF_USER)]
        sound = _checksum(ranks, info) == info["checksum"]
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise DamagedCell(f"{path.name}: {_first_line(error)}") from None
    if not sound:
        raise DamagedCell(f"{path.name}: its content differs from what was written (checksum)")
    return Cell(info, ranks)


def _checksum(ranks: pd.DataFrame, info: dict) -> str:
    """SHA-256 of the record without its checksum and of the columns' values."""
    record = {key: value for key, value in info.items() if key != "checksum"}
    total = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for column in OF_USER:
        values = np.ascontiguousarray(ranks[column].to_numpy())
        total.update(f"{column} {values.dtype.str}".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
