"""Whole lines of a plain, gz or bz2 file in blocks. Nothing is parsed here."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from reprolib.data.corpus import DataError

BLOCK = 16 << 20  # uncompressed bytes: large enough for polars' threads, small enough for a laptop
BAR = 20 << 20  # files below this many bytes are read without a progress bar


def blocks(
    path: str | Path, expected: str, *, size: int = BLOCK, progress: bool = False
) -> Iterator[tuple[int, bytes]]:
    """Yield (1-based number of the first line, bytes of whole lines), about `size` bytes each.

    expected  what the file should be, for the error messages. Raises DataError when the file is missing, empty,
    ends early or is damaged; the message says how many lines came before.
    """
    path, line, held, length = existing(path, expected), 1, [], 0
    with path.open("rb") as raw, _bar(path, progress) as bar:
        source = _decompressed(raw)
        try:
            while chunk := source.read1(1 << 20):
                held.append(chunk)
                length += len(chunk)
                if bar is not None:
                    bar.update(raw.tell() - bar.n)
                if length >= size and (cut := chunk.rfind(b"\n") + 1):
                    held[-1] = chunk[:cut]
                    block = b"".join(held)
                    held, length = [chunk[cut:]], len(chunk) - cut
                    yield line, block
                    line += block.count(b"\n")
        except (EOFError, OSError, zlib.error) as error:
            seen = line - 1 + sum(part.count(b"\n") for part in held)
            why = "ends early" if isinstance(error, EOFError) else f"is damaged ({error})"
            raise DataError(
                f"{path}: the file {why} after {seen:,} whole lines; download it again"
            ) from None
    rest = b"".join(held)
    if line == 1 and not rest.strip():
        raise DataError(f"{path} is empty; expected {expected}")
    if rest:
        yield line, rest


def existing(path: str | Path, expected: str) -> Path:
    """The path of an existing file, or DataError that names it and says what was expected there."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; expected {expected}")
    return path


def _decompressed(raw: BinaryIO) -> BinaryIO:
    # By content, not by name: browsers and mirrors unpack .gz files without renaming them.
    magic = raw.read(3)
    raw.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=raw)
    return bz2.BZ2File(raw) if magic == b"BZh" else raw


def _bar(path: Path, progress: bool):
    if not progress or path.stat().st_size <= BAR:
        return nullcontext()
    from tqdm.auto import tqdm

    return tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, leave=False)
