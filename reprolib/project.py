"""Parameters against notebooks, notebooks against the house style. What is wrong is a sentence; nothing is executed."""

import difflib
import json
import re
from pathlib import Path

import yaml

PROFILES = ("smoke", "quick", "real", "paper")
MAX_CELL_LINES, MAX_CELLS, MIN_PROSE = 20, 50, 0.4
IMPORTS = {"reprolib", "numpy", "pandas", "matplotlib", "seaborn", "torch", "functools", "pathlib"}


class ParameterError(ValueError):
    """A YAML file or --set that does not fit the notebook; the sentence names file, key and what would be right."""


def root_folder() -> Path:
    """The folder that holds notebooks/ and params/: the checkout of the package, else the current folder."""
    for folder in (Path(__file__).resolve().parents[1], Path.cwd(), *Path.cwd().parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder
    raise FileNotFoundError(
        "no folder with notebooks/ and params/ found; run inside a checkout of the project, "
        "or install it with pip install -e ."
    )


def notebooks(root: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """The numbered notebooks, or those named by stem, number or path. Raises ParameterError on an unknown name."""
    known = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    chosen = []
    for name in names:
        stem = Path(name).stem
        found = [n for n in known if n.stem == stem or n.stem.split("_")[0] == stem]
        if not found:
            close = difflib.get_close_matches(stem, [n.stem for n in known], n=1)
            hint = (
                f"did you mean {close[0]}?"
                if close
                else f"there are {', '.join(n.stem for n in known)}"
            )
            raise ParameterError(f"{name!r} is no notebook; {hint}")
        chosen += found
    return chosen or known


def read_notebook(path: Path) -> dict:
    """The notebook's JSON. Raises ParameterError where it does not parse."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ParameterError(f"{path}: not a notebook ({error}); restore it from git") from None


def declared(path: Path) -> dict[str, str]:
    """{parameter: default as written} of the cell tagged "parameters"; a line that is no assignment is an error."""
    found = {}
    for line in _source(_parameter_cell(path)).splitlines():
        if not line.strip() or line.startswith(("#", " ", "]", ")", "}")):
            continue
        match = re.match(r"([A-Z][A-Z0-9_]*)\s*(?::[^=]+)?=\s*(.+)", line)
        if not match:
            raise ParameterError(
                f"{path}: the parameters cell holds {line.strip()!r}; "
                "only lines NAME = value belong there"
            )
        found[match[1]] = match[2]
    return found


def _parameter_cell(path: Path) -> dict:
    tagged = [
        c
        for c in read_notebook(path)["cells"]
        if "parameters" in c.get("metadata", {}).get("tags", [])
    ]
    if len(tagged) != 1:
        raise ParameterError(
            f"{path}: {len(tagged)} cells carry the tag 'parameters'; exactly one must"
        )
    return tagged[0]


def read_yaml(path: Path) -> dict:
    """A flat YAML file of parameters; {} where it is absent. Raises ParameterError on all but KEY: scalar or list."""
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ParameterError(
            f"{path}:{where} is not YAML ({getattr(error, 'problem', error)})"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(
            f"{path}: holds a {type(content).__name__}; it must be lines of KEY: value"
        )
    for key, item in content.items():
        nested = isinstance(item, dict) or (
            isinstance(item, list) and any(isinstance(x, dict | list) for x in item)
        )
        if nested:
            raise ParameterError(
                f"{path}: {key} is nested; papermill merges top-level keys only, use flat keys"
            )
    return content


def parameters(root: Path, profile: str, notebook: Path, overrides: dict | None = None) -> dict:
    """What the notebook is run with: params/<profile>/common.yaml, then <notebook>.yaml, then overrides.

    Raises ParameterError on a profile or key that does not exist, with the nearest one.
    """
    folder = root / "params" / profile
    if profile not in PROFILES:
        close = difflib.get_close_matches(profile, PROFILES, n=1)
        raise ParameterError(
            f"profile {profile!r} is unknown; {'did you mean ' + close[0] if close else 'use one of'}"
            f"{'' if close else ' ' + ', '.join(PROFILES)}"
        )
    known, merged = declared(notebook), {}
    for file in (folder / "common.yaml", folder / f"{notebook.stem}.yaml"):
        content = read_yaml(file)
        for key in content:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
                raise ParameterError(
                    f"{file}: {key} is not a parameter of {notebook.name} ({hint})"
                )
        merged |= content
    return merged | {k: v for k, v in (overrides or {}).items() if k in known}


def problems(root: Path, names: tuple[str, ...] = ()) -> list[str]:
    """Everything wrong with parameters and notebooks, one sentence each; an empty list is a clean house."""
    found = []
    for notebook in notebooks(root, names):
        for profile in PROFILES:
            try:
                parameters(root, profile, notebook)
            except ParameterError as error:
                found.append(str(error))
        found += style(notebook)
    for profile in () if names else PROFILES:
        stems = {n.stem for n in notebooks(root)} | {"common"}
        for file in sorted((root / "params" / profile).glob("*.yaml")):
            if file.stem not in stems:
                found.append(f"{file}: there is no notebook of that name; rename or delete it")
    for solution in sorted((root / "notebooks" / "solutions").glob("*.ipynb")):
        found += [p for p in style(solution) if "has outputs" in p or "not a notebook" in p]
    return list(dict.fromkeys(found))


def style(path: Path) -> list[str]:
    """What a notebook does against the house rules."""
    try:
        cells = read_notebook(path)["cells"]
        declared(path)
    except ParameterError as error:
        return [str(error)]
    code = [c for c in cells if c["cell_type"] == "code"]
    found = []
    if len(cells) > MAX_CELLS:
        found.append(
            f"{path}: {len(cells)} cells; split it, at most {MAX_CELLS} are read to the end"
        )
    prose = 1 - len(code) / max(1, len(cells))
    if prose < MIN_PROSE:
        found.append(
            f"{path}: only {prose:.0%} of the cells are prose; explain more, {MIN_PROSE:.0%} at least"
        )
    for number, cell in enumerate(code, 1):
        source = _source(cell)
        lines = sum(bool(line.strip()) for line in source.splitlines())
        if cell.get("outputs") or cell.get("execution_count"):
            found.append(f"{path}: code cell {number} has outputs; run nbstripout {path.name}")
        if lines > MAX_CELL_LINES:
            found.append(
                f"{path}: code cell {number} has {lines} lines, more than {MAX_CELL_LINES}; "
                "move logic to reprolib"
            )
        for word in re.findall(r"^\s*(?:from|import)\s+(\w+)", source, re.M):
            if word not in IMPORTS:
                found.append(
                    f"{path}: code cell {number} imports {word}; notebooks import reprolib, numpy, pandas, "
                    "matplotlib, seaborn or torch"
                )
        if re.search(r"^\s*(?:def|class)\s", source, re.M):
            found.append(f"{path}: code cell {number} defines a function; it belongs to reprolib")
        if re.search(r"^\s*[!%]|sys\.path", source, re.M):
            found.append(
                f"{path}: code cell {number} uses a magic or sys.path; a notebook must run as it is, from "
                "any folder"
            )
    return found


def as_text(path: Path) -> str:
    """The cells' sources under "# %%" lines, prose commented out; outputs and metadata are left out."""
    parts = []
    for cell in read_notebook(path)["cells"]:
        tags = cell.get("metadata", {}).get("tags", [])
        prose = cell["cell_type"] == "markdown"
        parts.append("# %%" + (" [markdown]" if prose else "") + (f" tags={tags}" if tags else ""))
        parts.append(
            "\n".join(
                f"# {line}".rstrip() if prose else line for line in _source(cell).splitlines()
            )
            + "\n"
        )
    return "\n".join(parts)


def _source(cell: dict) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
