"""The project's folders, notebooks and parameters. What is wrong is a sentence; nothing is executed here."""

import ast
import difflib
import json
from pathlib import Path

from reprolib.flat_yaml import ParameterError, read_yaml
from reprolib.folders import figures_folder, root_folder
from reprolib.parameter_checks import check_together, checked_value

__all__ = [
    "PROFILES",
    "ParameterError",
    "declared",
    "figures_folder",
    "notebook_source",
    "notebooks",
    "parameters",
    "parameters_cell",
    "read_notebook",
    "read_yaml",
    "root_folder",
]

PROFILES = ("smoke", "quick", "real", "paper")


def notebooks(root: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """The numbered notebooks of the project, or the named ones, each once.

    names  stem ("00_start_here"), number ("00"), or a path, which is the file that it names
    Raises ParameterError on an unknown name, with the nearest one, and on a path without a file.
    """
    numbered = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not names:
        return numbered
    chosen = []
    for name in names:
        if _is_path(name):
            chosen.append(_notebook_file(name))
        else:
            chosen += _notebooks_called(name, numbered)
    unique = {path.resolve(): path for path in reversed(chosen)}
    return list(reversed(unique.values()))


def _is_path(name: str) -> bool:
    return name.endswith(".ipynb") or len(Path(name).parts) > 1


def _notebook_file(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise ParameterError(
            f"{name}: there is no such file; `reprolib list` shows the project's notebooks"
        )
    if path.suffix != ".ipynb":
        raise ParameterError(f"{name}: is not a notebook; a file that ends in .ipynb is expected")
    return path


def _notebooks_called(name: str, numbered: list[Path]) -> list[Path]:
    found = [path for path in numbered if name in (path.stem, path.stem.split("_")[0])]
    if found:
        return found
    stems = [path.stem for path in numbered]
    hint = _suggestion(name, stems, f"there are {', '.join(stems)}")
    raise ParameterError(f"{name!r} is no notebook; {hint}")


def read_notebook(path: Path) -> dict:
    """The notebook's JSON. Raises ParameterError where the file is no notebook."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ParameterError(f"{path}: not a notebook ({error}); restore it from git") from None
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ParameterError(f"{path}: not a notebook (it has no cells); restore it from git")
    return content


def notebook_source(cell: dict) -> str:
    """The text of a notebook's cell."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def parameters_cell(path: Path) -> dict:
    """The cell tagged "parameters". Raises ParameterError where not exactly one cell carries the tag."""
    tagged = [
        cell
        for cell in read_notebook(path)["cells"]
        if "parameters" in cell.get("metadata", {}).get("tags", [])
    ]
    if len(tagged) != 1:
        raise ParameterError(
            f"{path}: {len(tagged)} cells carry the tag 'parameters'; exactly one must"
        )
    return tagged[0]


def declared(path: Path) -> dict[str, object]:
    """The notebook's parameters with their default values.

    Raises ParameterError where the parameters cell holds anything but lines NAME = literal value.
    """
    source = notebook_source(parameters_cell(path))
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(
            f"{path}: line {error.lineno} of the parameters cell is not Python ({error.msg})"
        ) from None
    defaults = {}
    for statement in statements:
        text = (ast.get_source_segment(source, statement) or "").splitlines()[0]
        fault = f"{path}: the parameters cell holds {text!r}"
        name = _assigned_name(statement)
        if name is None:
            raise ParameterError(f"{fault}; only lines NAME = value belong there")
        try:
            defaults[name] = ast.literal_eval(statement.value)
        except ValueError:
            raise ParameterError(
                f"{fault}; a number, a text, None or a list of them is expected"
            ) from None
    return defaults


def _assigned_name(statement: ast.stmt) -> str | None:
    """The upper-case name that an assignment gives a value to; None of any other statement."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) and target.id.isupper() else None


def parameters(
    root: Path, profile: str, notebook: Path, overrides: dict[str, object] | None = None
) -> dict[str, object]:
    """What the notebook is run with: params/<profile>/common.yaml, then <notebook>.yaml, then overrides.

    overrides  values for all notebooks; those that this one does not declare are left out
    Raises ParameterError on an unknown profile or key, with the nearest one, and on a value that cannot be right.
    """
    if profile not in PROFILES:
        hint = _suggestion(profile, PROFILES, f"use one of {', '.join(PROFILES)}")
        raise ParameterError(f"profile {profile!r} is unknown; {hint}")
    defaults = declared(notebook)
    folder = root / "params" / profile
    values = {}
    for file in (folder / "common.yaml", folder / f"{notebook.stem}.yaml"):
        values |= _checked_file(file, notebook, defaults)
    for key, value in (overrides or {}).items():
        if key in defaults:
            values[key] = _checked(notebook.name, key, value, defaults)
    try:
        check_together(defaults | values)
    except ValueError as error:
        raise ParameterError(f"{notebook.name} in profile {profile}: {error}") from None
    return values


def _checked_file(file: Path, notebook: Path, defaults: dict[str, object]) -> dict[str, object]:
    values = {}
    for key, value in read_yaml(file).items():
        if key not in defaults:
            hint = _suggestion(str(key), defaults, f"it has {', '.join(defaults)}")
            raise ParameterError(f"{file}: {key} is not a parameter of {notebook.name} ({hint})")
        values[key] = _checked(str(file), key, value, defaults)
    return values


def _checked(where: str, key: str, value: object, defaults: dict[str, object]) -> object:
    try:
        return checked_value(key, value, defaults[key])
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None


def _suggestion(word: str, known, otherwise: str) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise
