"""Did I get your numbers? Rendered tables beside the committed ones, cell by cell."""

import math
from pathlib import Path

import pandas as pd

EQUAL, INSIDE, DIFFERENT, MISSING = "equal", "inside the interval", "different", "missing"
COLUMNS = ["table", "row", "column", "committed", "new", "verdict"]
TOLERANCE = 1e-9  # relative; tables are written with six digits
MEASURED = (
    "seconds",
    " s",
    "ms",
    "memory",
    "training",
)  # columns that measure a machine, not a method


def compare_folders(new: Path, committed: Path) -> pd.DataFrame:
    """Every cell of every table below both folders: columns table, row, column, committed, new, verdict.

    A number is "equal", "inside the interval" (the committed "±" of its column covers the difference), or "different";
    a table, row or column that only one folder has is "missing". Columns that measure time or memory are left out.
    """
    names = sorted({_name(path, folder) for folder in (new, committed) for path in _tables(folder)})
    rows: list[dict] = []
    for name in names:
        one, two = committed / f"{name}.csv", new / f"{name}.csv"
        if not (one.exists() and two.exists()):
            there = "yes" if one.exists() else "no", "yes" if two.exists() else "no"
            rows.append(_row(name, "", "", *there, MISSING))
            continue
        rows += _compare_tables(name, pd.read_csv(one), pd.read_csv(two))
    return pd.DataFrame(rows, columns=COLUMNS)


def _compare_tables(name: str, committed: pd.DataFrame, new: pd.DataFrame) -> list[dict]:
    rows = []
    for column in dict.fromkeys([*committed, *new]):
        if column.endswith(" ±") or any(word in column for word in MEASURED):
            continue
        if column not in committed or column not in new:
            rows.append(_row(name, "", column, column in committed, column in new, MISSING))
            continue
        spread = committed.get(f"{column} ±")
        for number in range(max(len(committed), len(new))):
            if number >= min(len(committed), len(new)):
                rows.append(
                    _row(name, number, column, number < len(committed), number < len(new), MISSING)
                )
                continue
            one, two = committed[column].iloc[number], new[column].iloc[number]
            half = spread.iloc[number] if spread is not None else None
            rows.append(_row(name, number, column, one, two, _verdict(one, two, half)))
    return rows


def _verdict(committed: object, new: object, half: float | None) -> str:
    if pd.isna(committed) and pd.isna(new):
        return EQUAL
    if isinstance(committed, int | float) and isinstance(new, int | float):
        if math.isclose(committed, new, rel_tol=TOLERANCE, abs_tol=1e-12):
            return EQUAL
        inside = half is not None and abs(committed - new) <= half
        return INSIDE if inside else DIFFERENT
    return EQUAL if str(committed) == str(new) else DIFFERENT


def _row(
    table: str, row: object, column: str, committed: object, new: object, verdict: str
) -> dict:
    values = (table, row, column, committed, new, verdict)
    return dict(zip(COLUMNS, values, strict=True))


def _tables(folder: Path) -> list[Path]:
    return sorted(
        path for path in Path(folder).rglob("table*.csv") if "notebooks" not in path.parts
    )


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()
