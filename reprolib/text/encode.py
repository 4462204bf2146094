"""encode: texts to unit vectors, each text computed once in the life of the cache."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from reprolib.cache import cache_dir, open_database
from reprolib.text.encoders import Encoder, load_encoder, tfidf_encoder

SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
COMMIT_EVERY = 16  # batches; an interrupted run loses at most these


def encode(
    texts: Sequence[str],
    encoder: str | Encoder = "minilm",
    *,
    cache: str | Path | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> np.ndarray:
    """(n, d) float32 with unit rows, one row per text, in the order given.

    encoder  a name for `load_encoder`, "tfidf" (fitted on these very texts), or an Encoder
    cache    folder of the embedding cache; see `reprolib.cache.cache_dir`
    Equal texts are computed once; a second run reads them back. Raises ValueError when an entry is not text.
    """
    texts = list(texts)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f'encode: entry {position} is {type(text).__name__}, not text; replace missing texts by ""'
            )
    if isinstance(encoder, str):
        encoder = tfidf_encoder(texts) if encoder == "tfidf" else load_encoder(encoder)
    if not texts:
        return np.zeros((0, encoder.dim), np.float32)
    distinct = list(dict.fromkeys(texts))
    if not encoder.revision:
        vectors = encoder.embed(distinct)
    else:
        vectors = _cached(
            distinct, encoder, cache_dir(cache) / "vectors.sqlite", batch_size, progress
        )
    row = {text: position for position, text in enumerate(distinct)}
    return vectors[[row[text] for text in texts]]


def _cached(
    texts: list[str], encoder: Encoder, path: Path, batch_size: int, progress: bool
) -> np.ndarray:
    prefix = f"{encoder.name}\0{encoder.revision}\0".encode()
    keys = [hashlib.sha256(prefix + text.encode("utf-8", "replace")).digest() for text in texts]
    vectors = np.empty((len(texts), encoder.dim), np.float32)
    database, rows = open_database(path, SCHEMA), []
    try:
        missing = _read(database, keys, vectors)
        missing.sort(key=lambda i: len(texts[i]))
        starts = range(0, len(missing), batch_size)
        for start in tqdm(starts, "encode", disable=not progress or len(starts) < 20, leave=False):
            batch = missing[start : start + batch_size]
            vectors[batch] = encoder.embed([texts[i] for i in batch])
            rows += [(keys[i], vectors[i].tobytes()) for i in batch]
            if len(rows) >= COMMIT_EVERY * batch_size:
                _store(database, rows)
    finally:
        _store(database, rows)
        database.close()
    return vectors


def _store(database, rows: list[tuple[bytes, bytes]]) -> None:
    """Write and forget the rows; the file is locked only meanwhile, so other processes can write between batches."""
    database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
    database.commit()
    rows.clear()


def _read(database, keys: list[bytes], vectors: np.ndarray) -> list[int]:
    """Fill the rows whose key is stored; return the positions of the others."""
    row = {key: position for position, key in enumerate(keys)}
    for start in range(0, len(keys), 500):
        chunk = keys[start : start + 500]
        query = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(chunk))})"
        for key, vector in database.execute(query, chunk):
            vectors[row.pop(key)] = np.frombuffer(vector, np.float32)
    return sorted(row.values())
