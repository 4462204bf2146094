"""What the store of runs holds, as one RankTable and one cost table. Nothing is trained here."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reprolib.evaluate.metrics import RANK_COLUMNS
from reprolib.runs.grid import code_digest, default_store, read_info
from reprolib.runs.systems import SYSTEMS

RECORD = ("system", "dataset", "direction", "seed", "annotator", "llm")


@dataclass
class Stored:
    """Ranks and cost of the cells that count, and one sentence per kind of cell that was left out."""

    ranks: pd.DataFrame
    cost: pd.DataFrame
    left_out: list[str] = field(default_factory=list)


def load_store(
    store: str | Path | None = None,
    datasets: list[str] | None = None,
    protocol: str = "leave-one-out",
) -> Stored:
    """Read the current cells of the named data sets that were run under the protocol.

    datasets  names, or the first part of names ("world-quick" is all of that world); default: every data set
    Left out and counted: unreadable cells, cells of other code or of other data than the newest, and, where a system
    was run under one name with several options, all but the options with most seeds (then the newest).
    `cost` has one row per cell: system, dataset, direction, seed, annotator, llm and every number of its record.
    """
    folder = Path(store) if store else default_store()
    cells, left = (
        [],
        {
            "unreadable or of another version": 0,
            "made by other code": 0,
            "made on other data": 0,
            "with other options under the same name": 0,
        },
    )
    for path in sorted(folder.glob("*.parquet")) if folder.is_dir() else []:
        cell = _open(path)
        if cell is None:
            left["unreadable or of another version"] += 1
        elif cell["run"]["protocol"] == protocol and _named(cell["run"]["dataset"], datasets):
            cells.append(cell)
    for reason, keep in (
        ("made by other code", _of_current_code),
        ("made on other data", _of_newest_data),
        ("with other options under the same name", _of_best_options),
    ):
        kept = keep(cells)
        left[reason] = len(cells) - len(kept)
        cells = kept
    ranks = _ranks(cells)
    return Stored(ranks, _cost(cells), [f"{n} cells {reason}" for reason, n in left.items() if n])


def _open(path: Path) -> dict | None:
    """The cell's record with its name and place; None where it cannot be used."""
    info = read_info(path)
    if info is None:
        return None
    run = info["run"]
    return info | {
        "path": path,
        "made": path.stat().st_mtime,
        "name": run["label"] or run["system"],
        "where": (run["dataset"], run["source"], run["target"]),
    }


def _named(dataset: str, wanted: list[str] | None) -> bool:
    return wanted is None or any(
        dataset == name or dataset.startswith(f"{name}/") for name in wanted
    )


def _of_current_code(cells: list[dict]) -> list[dict]:
    current = {
        name: code_digest(name) for name in {c["run"]["system"] for c in cells} if name in SYSTEMS
    }
    return [c for c in cells if c["code"] == current.get(c["run"]["system"])]


def _of_newest_data(cells: list[dict]) -> list[dict]:
    newest = {c["where"]: c["split"] for c in sorted(cells, key=lambda c: c["made"])}
    return [c for c in cells if c["split"] == newest[c["where"]]]


def _of_best_options(cells: list[dict]) -> list[dict]:
    grids = {}
    for cell in cells:
        options = json.dumps([cell["run"]["system"], cell["run"]["options"]], sort_keys=True)
        grids.setdefault((cell["name"], *cell["where"]), {}).setdefault(options, []).append(cell)
    best = [
        max(variants.values(), key=lambda g: (len(g), max(c["made"] for c in g)))
        for variants in grids.values()
    ]
    return [cell for grid in best for cell in grid]


def _ranks(cells: list[dict]) -> pd.DataFrame:
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow as pa

    with ThreadPoolExecutor() as pool:
        tables = list(pool.map(_table, [cell["path"] for cell in cells]))
    if not tables:
        return pd.DataFrame(columns=list(RANK_COLUMNS))
    ranks = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries().to_pandas()
    ranks["direction"] = ranks["direction"].cat.rename_categories(_ascii)
    return ranks


def _table(path: Path):
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        path, read_dictionary=["system", "dataset", "direction", "protocol"]
    ) as file:
        return file.read(columns=list(RANK_COLUMNS), use_threads=False).replace_schema_metadata()


def _cost(cells: list[dict]) -> pd.DataFrame:
    rows = []
    for cell in cells:
        run = cell["run"]
        annotator = cell.get(
            "annotator"
        )  # who wrote what the system read; an option alone is no reading
        numbers = {
            k: v
            for k, v in cell.items()
            if isinstance(v, int | float) and k not in ("format", "made", "users")
        }
        direction = f"{run['source']}->{run['target']}" if run["source"] else run["target"]
        rows.append(
            {
                "system": cell["name"],
                "dataset": run["dataset"],
                "direction": direction,
                "seed": run["seed"],
                "annotator": annotator or "none",
                "llm": bool(annotator),
            }
            | numbers
        )
    return pd.DataFrame(rows, columns=None if rows else list(RECORD))


def annotators(told: Iterable[str]) -> str:
    """The different annotators that cells name, each of which may name several; "none" where nobody wrote anything."""
    names = (name for one in told for name in one.split(", "))
    return ", ".join(dict.fromkeys(name for name in names if name != "none")) or "none"


def _ascii(direction: str) -> str:
    return direction.replace("→", "->")
