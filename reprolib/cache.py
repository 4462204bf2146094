"""Where things are kept that may be deleted at any time. Results are never kept here."""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

PATIENCE = 60  # seconds to wait for another process that writes
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
READ_ONLY = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")


def cache_dir(folder: str | Path | None = None) -> Path:
    """The cache folder, made when absent.

    folder  default $REPROLIB_CACHE, else ~/.cache/reprolib
    Raises ValueError where it cannot be made, for example because a file is in its place.
    """
    path = Path(folder or os.environ.get("REPROLIB_CACHE") or "~/.cache/reprolib").expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "there is a file of that name" if path.is_file() else error.strerror
        raise ValueError(
            f"{path}: cannot be made into a cache folder ({reason}); "
            "set REPROLIB_CACHE to a folder you may write to"
        ) from None
    return path


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """A SQLite file that several processes may share: write-ahead log, a minute of patience with a locked file.

    path    the file, made when absent; where it may not be written to, it is opened for reading
    schema  SQL that makes the tables when they are absent
    Raises ValueError with one sentence where the file is locked, damaged, or its disk is full.
    """
    try:
        return _open_for_writing(path, schema)
    except sqlite3.DatabaseError as error:
        name = error.sqlite_errorname
        if name.startswith(READ_ONLY) and path.is_file():
            return _open_for_reading(path)
        raise ValueError(f"{path}: {_what_to_do(name, error)}") from None


def _open_for_writing(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(schema)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection to a file in a folder that nobody here writes to, such as a share for a class."""
    return sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)


def _what_to_do(name: str, error: sqlite3.DatabaseError) -> str:
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            "another process writes to this cache file; wait until it has finished, "
            "or set REPROLIB_CACHE to another folder"
        )
    if name.startswith("SQLITE_FULL"):
        return (
            "the disk is full; free some space, or set REPROLIB_CACHE to a folder on another disk"
        )
    if name.startswith(DAMAGED):
        return f"not a usable cache file ({error}); delete it and it is made again"
    return f"cannot be opened as a cache file ({error}); set REPROLIB_CACHE to a folder you may write to"
