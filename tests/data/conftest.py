import gzip
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the real data sets; tests that need it are skipped where it is absent."""
    folder = os.environ.get("REPROLIB_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real data absent: set REPROLIB_DATA")
    return Path(folder)


@pytest.fixture
def write(tmp_path):
    """Write a text (or bytes) under a name; a name that ends in .gz is compressed."""

    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return to_file
