"""The house style of notebooks and parameter files, and a notebook as plain text. Nothing is executed."""

import re
from pathlib import Path

from reprolib.flat_yaml import means_the_same_to_papermill
from reprolib.project import (
    PROFILES,
    ParameterError,
    declared,
    notebook_source,
    notebooks,
    parameters,
    read_notebook,
    read_yaml,
)

MAX_CELL_LINES = 20
MAX_CELLS = 50
MIN_PROSE = 0.4
IMPORTS = {"reprolib", "numpy", "pandas", "matplotlib", "seaborn", "torch", "functools", "pathlib"}


def problems(root: Path, names: tuple[str, ...] = ()) -> list[str]:
    """Everything that is wrong with parameters and notebooks, one sentence each; empty where all is well.

    root   the project's folder
    names  notebooks to look at, as `project.notebooks` takes them; without names everything is looked at
    """
    found = []
    for notebook in notebooks(root, names):
        for profile in PROFILES:
            found += _parameter_problems(root, profile, notebook)
        found += style(notebook)
    if not names:
        found += _file_problems(root)
        found += _solution_problems(root)
    return list(dict.fromkeys(found))


def _parameter_problems(root: Path, profile: str, notebook: Path) -> list[str]:
    try:
        values = parameters(root, profile, notebook)
        defaults = declared(notebook)
    except ParameterError as error:
        return [str(error)]
    if profile != "quick":
        return []
    return [
        f"{notebook}: {key} is {defaults[key]!r} by hand but {value!r} in profile quick; "
        "write the value of quick into the parameters cell"
        for key, value in values.items()
        if value != defaults[key]
    ]


def _file_problems(root: Path) -> list[str]:
    """YAML files that belong to no notebook, stand in quick, or mean something else to papermill -f."""
    stems = {notebook.stem for notebook in notebooks(root)} | {"common"}
    found = []
    for profile in PROFILES:
        for file in sorted((root / "params" / profile).glob("*.yaml")):
            if file.stem not in stems:
                found.append(f"{file}: there is no notebook of that name; rename or delete it")
            elif profile == "quick" and file.stem != "common":
                found.append(
                    f"{file}: profile quick is the notebooks' own defaults; write the values into "
                    "the parameters cell and delete the file"
                )
            elif _is_readable(file) and not means_the_same_to_papermill(file):
                found.append(
                    f"{file}: papermill -f reads other values than reprolib; write 1.0e-3 for 1e-3 "
                    "and put yes, no, dates and times in quotes"
                )
    return found


def _is_readable(file: Path) -> bool:
    try:
        read_yaml(file)
    except ParameterError:
        return False
    return True


def _solution_problems(root: Path) -> list[str]:
    found = []
    for solution in sorted((root / "notebooks" / "solutions").glob("*.ipynb")):
        found += [
            problem
            for problem in style(solution)
            if "has outputs" in problem or "not a notebook" in problem
        ]
    return found


def style(path: Path) -> list[str]:
    """What a notebook does against the house style, one sentence each."""
    try:
        cells = read_notebook(path)["cells"]
        declared(path)
    except ParameterError as error:
        return [str(error)]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
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
        found += [f"{path}: code cell {number} {fault}" for fault in _cell_faults(path, cell)]
    return found


def _cell_faults(path: Path, cell: dict) -> list[str]:
    source = notebook_source(cell)
    lines = [line for line in source.splitlines() if line.strip()]
    faults = []
    if cell.get("outputs") or cell.get("execution_count"):
        faults.append(f"has outputs; run nbstripout {path.name}")
    is_parameters = "parameters" in cell.get("metadata", {}).get("tags", [])
    if len(lines) > MAX_CELL_LINES and not is_parameters:  # a list of constants is no logic
        faults.append(f"has {len(lines)} lines, more than {MAX_CELL_LINES}; move logic to reprolib")
    for package in re.findall(r"^\s*(?:from|import)\s+(\w+)", source, re.M):
        if package not in IMPORTS:
            faults.append(
                f"imports {package}; notebooks import reprolib, numpy, pandas, matplotlib, "
                "seaborn or torch"
            )
    if re.search(r"^\s*(?:def|class)\s", source, re.M):
        faults.append("defines a function; it belongs to reprolib")
    if re.search(r"^\s*[!%]|sys\.path", source, re.M):
        faults.append("uses a magic or sys.path; a notebook must run as it is, from any folder")
    return faults


def as_text(path: Path) -> str:
    """The cells' sources under "# %%" lines, prose commented out; outputs and metadata are left out."""
    parts = []
    for cell in read_notebook(path)["cells"]:
        is_prose = cell["cell_type"] == "markdown"
        tags = cell.get("metadata", {}).get("tags", [])
        heading = "# %%"
        if is_prose:
            heading += " [markdown]"
        if tags:
            heading += f" tags={tags}"
        lines = notebook_source(cell).splitlines()
        if is_prose:
            lines = [f"# {line}".rstrip() for line in lines]
        parts.append("\n".join([heading, *lines]) + "\n")
    return "\n".join(parts)
