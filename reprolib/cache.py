"""Where things are kept that may be deleted at any time. Results are never kept here."""

import os
import sqlite3
from pathlib import Path


def cache_dir(folder: str | Path | None = None) -> Path:
    """The cache folder, created when absent: `folder`, else $REPROLIB_CACHE, else ~/.cache/reprolib."""
    path = Path(folder or os.environ.get("REPROLIB_CACHE") or "~/.cache/reprolib").expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be made into a cache folder ({error.strerror}); "
            "set REPROLIB_CACHE to a folder you may write to"
        ) from None
    return path


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """A SQLite file that several processes may share: write-ahead log, a minute of patience with a locked file."""
    connection = sqlite3.connect(path, timeout=60)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(schema)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ValueError(
            f"{path}: not a usable cache file ({error}); delete it and it is made again"
        ) from None
    return connection
