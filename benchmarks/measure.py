"""How dense the code is: prints the measures of plain code for the packages or files that are named.

    python benchmarks/measure.py reprolib

A code line is a line that holds code: no blank line, no comment, no docstring; widths are of all lines that are not
blank. Syntax nodes are expressions and statements. The aims are for orientation, nothing fails because of them.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, quantiles

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Counts:
    """What was counted in all files."""

    code_lines: int = 0
    nodes: int = 0
    conditionals: int = 0
    nested_comprehensions: int = 0
    tuple_assignments: int = 0
    widths: list[int] = field(default_factory=list)
    docstring_lines: list[int] = field(default_factory=list)
    is_hinted: list[bool] = field(default_factory=list)


def main(names: list[str]) -> None:
    """Print one line per measure: its name, the value, the aim."""
    counts = Counts()
    for path in python_files(names or ["reprolib"]):
        count_file(path, counts)
    if not counts.code_lines:
        sys.exit(f"{' '.join(names)}: no Python code found")
    print(f"{'code lines':<48} {counts.code_lines:>8,}")
    for name, value, aim in measures(counts):
        print(f"{name:<48} {value:>8}   aim {aim}")


def python_files(names: list[str]) -> Iterator[Path]:
    """The files that are named, and those in the folders that are named."""
    for name in names:
        path = Path(name)
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        else:
            yield path


def count_file(path: Path, counts: Counts) -> None:
    """Add what one file holds to the counts."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    counts.code_lines += len(code_lines(tree, lines))
    counts.widths += [len(line) for line in lines if line.strip()]
    for node in ast.walk(tree):
        counts.nodes += isinstance(node, ast.expr | ast.stmt)
        counts.conditionals += isinstance(node, ast.IfExp)
        counts.nested_comprehensions += is_nested_comprehension(node)
        counts.tuple_assignments += is_tuple_assignment(node)
    for function in public_functions(tree):
        docstring = ast.get_docstring(function)
        if docstring:
            counts.docstring_lines.append(len(docstring.splitlines()))
        counts.is_hinted.append(is_fully_hinted(function))


def code_lines(tree: ast.Module, lines: list[str]) -> set[int]:
    """Numbers of the lines that hold code."""
    numbers = {
        number
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text and isinstance(node.value.value, str):
            numbers -= set(range(node.lineno, node.end_lineno + 1))
    return numbers


def is_nested_comprehension(node: ast.AST) -> bool:
    """Whether a comprehension has two `for`, or holds another comprehension."""
    if not isinstance(node, COMPREHENSIONS):
        return False
    inside = [part for part in ast.walk(node) if part is not node]
    return len(node.generators) > 1 or any(isinstance(part, COMPREHENSIONS) for part in inside)


def is_tuple_assignment(node: ast.AST) -> bool:
    """Whether a statement is `a, b = x, y`; a swap of the same names is none."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    target = node.targets[0]
    if not isinstance(target, ast.Tuple):
        return False
    names = {ast.unparse(part) for part in target.elts}
    return names != {ast.unparse(part) for part in node.value.elts}


def public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions of the module and methods of its classes whose names do not begin with _."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        for member in members:
            if isinstance(member, FUNCTIONS) and not member.name.startswith("_"):
                yield member


def is_fully_hinted(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether every argument but self and cls and the result carry a type."""
    declared = function.args
    arguments = [*declared.posonlyargs, *declared.args, *declared.kwonlyargs]
    arguments += [extra for extra in (declared.vararg, declared.kwarg) if extra is not None]
    hinted = [
        argument.annotation is not None
        for argument in arguments
        if argument.arg not in ("self", "cls")
    ]
    return function.returns is not None and all(hinted)


def measures(counts: Counts) -> list[tuple[str, str, str]]:
    """(name, value, aim) of every measure."""
    lines = counts.code_lines
    thousands = lines / 1000
    width = quantiles(counts.widths, n=10)[-1]
    return [
        ("syntax nodes per code line", f"{counts.nodes / lines:.1f}", "at most 5.5"),
        (
            "conditional expressions per 1,000 lines",
            f"{counts.conditionals / thousands:.1f}",
            "at most 12",
        ),
        (
            "nested comprehensions per 1,000 lines",
            f"{counts.nested_comprehensions / thousands:.1f}",
            "1",
        ),
        (
            "a, b = x, y on unrelated things per 1,000 lines",
            f"{counts.tuple_assignments / thousands:.1f}",
            "5",
        ),
        ("line width, 90th percentile", f"{width:.0f}", "92"),
        (
            "lines of a public function's docstring, mean",
            f"{mean(counts.docstring_lines or [0]):.1f}",
            "what a caller needs",
        ),
        ("fully hinted public functions", f"{mean(counts.is_hinted or [0]):.0%}", "100%"),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
