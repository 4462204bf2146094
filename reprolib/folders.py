"""Where the project stands, and where its tables and figures go."""

import os
from pathlib import Path

from reprolib.flat_yaml import ParameterError


def root_folder() -> Path:
    """The folder that holds notebooks/ and params/: the checkout of the package, else the current folder or one above.

    Raises FileNotFoundError where there is none.
    """
    for folder in (Path(__file__).resolve().parents[1], Path.cwd(), *Path.cwd().parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder
    raise FileNotFoundError(
        "no folder with notebooks/ and params/ found; run inside a checkout of the project, "
        "or install it with pip install -e ."
    )


def figures_folder(path: str | Path) -> Path:
    """The folder for tables and figures, made when absent.

    path  absolute, or relative to the project's root, from whatever folder the notebook is started; outside any
          project it is relative to the current folder
    Returns an absolute path. Raises ParameterError where the folder cannot be made or written to.
    """
    folder = Path(path).expanduser()
    if not folder.is_absolute():
        try:
            folder = root_folder() / folder
        except FileNotFoundError:
            folder = Path.cwd() / folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(
            f"{folder}: cannot be made into a folder for figures ({error.strerror}); "
            "choose another with FIGURES or --figures"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ParameterError(
            f"{folder}: may not be written to; choose another folder with FIGURES or --figures"
        )
    return folder
