"""The tables as they are committed in git, beside the ones that were just rendered over them."""

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def committed_folder(folder: Path) -> Iterator[Path]:
    """The folder as the last commit holds it, in a temporary place that is deleted afterwards.

    Raises ValueError where the folder is in no git checkout or the last commit does not hold it.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; render it with make figures")
    command = ["git", "-C", str(folder), "archive", "--format=tar", "HEAD", "."]
    result = subprocess.run(command, capture_output=True)
    with tempfile.TemporaryDirectory() as place:
        if result.returncode == 0:
            with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
                archive.extractall(place, filter="data")
        if not any(Path(place).iterdir()):
            raise ValueError(
                f"{folder}: git holds no committed version of it; name the folder to compare with, "
                "for example reprolib compare NEW figures/quick"
            )
        yield Path(place)
