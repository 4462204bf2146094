"""Blocks of lines to one frame. polars parses; where it refuses a block, the lines are read singly, so that each
malformed line is known by its number and its fault."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from reprolib.data.corpus import DataError, FileReport
from reprolib.data.readers._stream import blocks

MAX_LISTED = 20  # malformed lines that a report names; all are counted
WORKERS = 2
SMALL = (
    1 << 18
)  # bytes; a refused block is halved down to this size before its lines are read singly
REFUSED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError)

Limits = dict[str, tuple[float, float, str]]
RATING = (0, 10, "are rating and timestamp swapped?")
SECONDS = (1e8, 1e11, "seconds since 1970 are expected; are rating and timestamp swapped?")
MILLISECONDS = (
    1e11,
    1e14,
    "milliseconds since 1970 are expected; are rating and timestamp swapped?",
)


@dataclass(frozen=True)
class Spec:
    """How to read the lines of one format.

    columns   wanted raw columns: pl.String, pl.Float64, or a pl.List (nested lists are flattened) or pl.Struct of them
    slow      one line -> its records; raises ValueError that says what is wrong
    fast      a block -> a frame with `columns`, one row per line; None where polars has no parser
    convert   applied to each block's frame
    required  raw columns that must have a value
    limits    raw column -> (lowest, highest, hint)
    present   columns that must have a value after `convert`
    blanks    a record without any value is a blank line, not a malformed one
    """

    columns: dict[str, pl.DataType]
    slow: Callable[[str], Iterable[dict]]
    fast: Callable[[bytes], pl.DataFrame] | None = None
    convert: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame
    required: tuple[str, ...] = ()
    limits: Limits = field(default_factory=dict)
    present: tuple[str, ...] = ()
    blanks: bool = False
    encoding: str = "utf-8"
    header: bool = False


def read_records(
    path: str | Path,
    spec: Spec,
    expected: str,
    *,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> tuple[pl.DataFrame, FileReport]:
    """All records of a file as one frame, and what was left out.

    Decompression goes on in this thread while WORKERS threads parse. Raises DataError when more than the share
    `max_malformed` of the lines is malformed.
    """
    frames, faults, lines, pending = [], [], 0, deque()

    def collect() -> None:
        nonlocal lines
        frame, wrong, last = pending.popleft().result()
        frames.append(frame)
        faults.extend(wrong)
        lines = last
        if len(faults) > 1000 and len(faults) > lines / 2:
            _refuse(path, faults, lines, max_malformed)

    pool = ThreadPoolExecutor(WORKERS)
    try:
        for first, data in blocks(path, expected, progress=progress):
            pending.append(pool.submit(_parse, first, data, spec))
            del data
            if len(pending) > WORKERS:
                collect()
        while pending:
            collect()
    finally:
        pool.shutdown(cancel_futures=True)
    if len(faults) > max_malformed * lines:
        _refuse(path, faults, lines, max_malformed)
    frame = pl.concat(frames).rechunk()
    return frame, FileReport(
        str(path), lines, frame.height, tuple(faults[:MAX_LISTED]), len(faults)
    )


def _refuse(path: str | Path, faults: list, lines: int, allowed: float) -> None:
    number, why = faults[0]
    raise DataError(
        f"{path}: {len(faults):,} of {lines:,} lines are malformed, more than the {allowed:.0%} allowed; "
        f"the first is line {number}: {why}"
    )


def _parse(first: int, data: bytes, spec: Spec) -> tuple[pl.DataFrame, list[tuple[int, str]], int]:
    last = first + _count(data) - 1
    if first == 1:
        data = data.removeprefix(b"\xef\xbb\xbf")
        if spec.header:
            first, data = 2, data[data.find(b"\n") + 1 or len(data) :]
    faults: list[tuple[int, str]] = []
    return pl.concat(_frames(first, data, spec, faults)), sorted(faults), last


def _frames(first: int, data: bytes, spec: Spec, faults: list) -> list[pl.DataFrame]:
    if spec.fast is not None and data:
        try:
            frame = spec.fast(data)
            if frame.height == _count(data) and _valid(frame, spec):
                frame = spec.convert(frame)
                if not any(frame[c].null_count() for c in spec.present):
                    return [frame]
        except REFUSED:
            pass
        if len(data) > SMALL and (cut := data.find(b"\n", len(data) // 2) + 1) and cut < len(data):
            head, tail = data[:cut], data[cut:]
            return _frames(first, head, spec, faults) + _frames(
                first + _count(head), tail, spec, faults
            )
    return [_singly(first, data, spec, faults)]


def _count(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def _valid(frame: pl.DataFrame, spec: Spec) -> bool:
    tests = [pl.col(c).is_not_null().all() for c in spec.required]
    tests += [pl.col(c).is_between(low, high).all() for c, (low, high, _) in spec.limits.items()]
    return not tests or frame.select(pl.all_horizontal(tests)).item()


def _singly(first: int, data: bytes, spec: Spec, faults: list) -> pl.DataFrame:
    rows, numbers = [], []
    for number, line in enumerate(data.split(b"\n"), first):
        if not line.strip():
            continue
        try:
            records = [
                _record(record, spec)
                for record in spec.slow(line.decode(spec.encoding).rstrip("\r"))
            ]
        except UnicodeDecodeError as error:
            faults.append(
                (number, f"not {spec.encoding} at byte {error.start + 1}; re-encode the file")
            )
        except ValueError as error:
            faults.append((number, str(error)))
        else:
            kept = [record for record in records if record is not None]
            rows += kept
            numbers += [number] * len(kept)
    frame = spec.convert(pl.DataFrame(rows, schema=spec.columns, orient="row"))
    for column in spec.present:
        gaps = frame[column].is_null()
        faults += [(numbers[row], f"no {column} can be read") for row in gaps.arg_true()]
        frame, numbers = frame.filter(~gaps), [numbers[row] for row in (~gaps).arg_true()]
    return frame


def _record(record: dict, spec: Spec) -> list | None:
    values = [_value(c, record.get(c), dtype) for c, dtype in spec.columns.items()]
    if spec.blanks and all(value is None for value in values):
        return None
    found = dict(zip(spec.columns, values, strict=True))
    for column in spec.required:
        if found[column] is None:
            raise ValueError(f"no {column}")
    for column, (low, high, hint) in spec.limits.items():
        if found[column] is not None and not low <= found[column] <= high:
            raise ValueError(
                f"{column} {found[column]:.15g} is not between {low:.15g} and {high:.15g}; {hint}"
            )
    return values


def _value(column: str, value, dtype: pl.DataType):
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if dtype == pl.Float64:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{column} {str(value)[:40]!r} is not a number") from None
    if isinstance(dtype, pl.List):
        return [_value(column, part, dtype.inner) for part in _leaves(value)]
    if isinstance(dtype, pl.Struct):
        value = value if isinstance(value, dict) else {dtype.fields[0].name: value}
        return {
            part.name: _value(part.name, value.get(part.name), part.dtype) for part in dtype.fields
        }
    if isinstance(value, list | dict | tuple):
        raise ValueError(f"{column} holds a {type(value).__name__} where a text is expected")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # A lone surrogate ("\ud83d") is legal JSON but no Unicode text.
    return str(value).encode("utf-8", "replace").decode()


def _leaves(value) -> Iterable:
    if not isinstance(value, list | tuple):
        return [value]
    return (leaf for part in value for leaf in _leaves(part))
