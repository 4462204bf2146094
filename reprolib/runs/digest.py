"""What a stored run stands for: resolved options, data, texts and the code that can move its ranks, as one number.

The code of a system is every module of ours that its own module imports, directly or through others, at any depth of
indentation. Comments, docstrings and layout do not count. Modules of INFRASTRUCTURE are left out: they read, store,
draw or ask, and what they hand to a system is covered by other parts of the digest.
"""

import ast
import functools
import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "reprolib"
# cannot move ranks, or is covered otherwise: data by the digest of the split, answers by the text digest
INFRASTRUCTURE = (
    "reprolib",
    "reprolib.cache",
    "reprolib.catalogue",
    "reprolib.cli",
    "reprolib.project",
    "reprolib.data",
    "reprolib.flat_yaml",
    "reprolib.folders",
    "reprolib.evaluate.rank_table",
    "reprolib.evaluate.summary",
    "reprolib.evaluate.significance",
    "reprolib.llm.answers",
    "reprolib.llm.backends",
    "reprolib.llm.cli",
    "reprolib.llm.complete",
    "reprolib.llm.exchange",
    "reprolib.llm.openai_api",
    "reprolib.llm.task_names",
    "reprolib.report",
    "reprolib.runs",
)
RANKING = "reprolib.training.ranks"  # ranks every system


def code_digest(module: str) -> str:
    """SHA-256 (16 digits) of the code that can move the ranks of the system that stands in `module`."""
    total = hashlib.sha256()
    for name in sorted(closure(module) | closure(RANKING)):
        total.update(f"{name}:{_source_digest(_path(name))}\n".encode())
    return total.hexdigest()[:16]


@functools.cache
def closure(module: str) -> frozenset[str]:
    """Names of the package's modules that `module` imports, directly or through others, itself included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or is_infrastructure(name):
            continue
        found.add(name)
        waiting.append(name.rpartition(".")[0])  # importing a module runs its package's __init__
        waiting.extend(imports_of(_path(name)))
    return frozenset(found)


def is_infrastructure(module: str) -> bool:
    """Is the module, or a package that holds it, in INFRASTRUCTURE? The top package stands for itself alone."""
    if module == PACKAGE:
        return True
    parts = module.split(".")
    return any(".".join(parts[:n]) in INFRASTRUCTURE for n in range(2, len(parts) + 1))


@functools.cache
def imports_of(path: Path) -> frozenset[str]:
    """The package's modules that a file imports, anywhere in it; `from package import module` is the module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    own = (name for name in names if name.split(".")[0] == PACKAGE)
    return frozenset(name for name in own if _exists(name))


def options_text(options: dict[str, object]) -> str:
    """Options as text with sorted names, the same for equal values."""
    return json.dumps(options, sort_keys=True, default=str)


def digest_of(*parts: object) -> str:
    """SHA-256 (24 digits) of the parts."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@functools.cache
def _source_digest(path: Path) -> str:
    """Digest of what the file does: its syntax tree without docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _path(module: str) -> Path:
    """The file of a module of the package."""
    base = ROOT.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _exists(name: str) -> bool:
    """Is there a module of that name, not only an object inside one?"""
    return _path(name).is_file()
