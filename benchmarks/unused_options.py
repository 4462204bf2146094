"""Which options does no caller pass? Lists parameters with a default that no call in the project ever gives.

    python benchmarks/unused_options.py                        everything in reprolib
    python benchmarks/unused_options.py reprolib/llm           only functions defined in these files or folders

Callers are reprolib, notebooks and benchmarks; tests alone do not count. A call belongs to every function of the same
name, so a listed option is passed by nobody, while one that is not listed may still be unused. A call with `**options`
passes everything, a call with `*values` every positional parameter. Not listed: functions that a decorator hands to
somebody else (commands, registered systems), functions that are also passed on as a value, and methods of a class
that extends a library's. Counted apart: options that the docstring offers, "For a user's own data: items".
An option that is only handed through from an unused option is unused.
"""

import ast
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLERS = ("reprolib", "notebooks", "benchmarks")
HARMLESS_DECORATORS = {  # these leave the caller of a function what it was
    "cache",
    "classmethod",
    "contextmanager",
    "inference_mode",
    "lru_cache",
    "njit",
    "no_grad",
    "staticmethod",
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
REGISTER = "System"  # runs/systems.py names the function of a system as text, its options come from recipes
# how a docstring names options that wait for a user
OFFERED = r"For a user's own \w+: (\w+(?:, \w+)*)"
EVERY_POSITION = 1000  # a call with *values passes this many


@dataclass
class Function:
    """A function and the name by which it is called.

    options         {name: position in a call}, None for an option that is given by keyword only
    is_handed_over  who calls it does not stand in the project
    for_users       options that the docstring offers for a user's own data or model
    bases           base classes of a method's class
    """

    path: Path
    line: int
    name: str
    called_as: str
    options: dict[str, int | None]
    is_handed_over: bool = False
    for_users: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()

    def option(self, name: str) -> tuple[str, int, str]:
        """The key of one option, the same in every pass over the files."""
        return str(self.path), self.line, name


@dataclass
class Call:
    """One call: the name that it calls, what it passes, and which of it is an option of the function around it."""

    called: str
    keywords: dict[str, str] = field(
        default_factory=dict
    )  # keyword: the bare name that is passed, or ""
    positional: list[str] = field(default_factory=list)
    passes_everything: bool = False
    around: Function | None = None


def main(folders: list[str]) -> None:
    """Print one line per unused option, sorted by file, then how many there are and of how many functions."""
    chosen = [Path(folder) for folder in folders or ["reprolib"]]
    total = 0
    functions = 0
    for_users = 0
    for function, options in unused_options():
        if not any(function.path.is_relative_to(folder) for folder in chosen):
            continue
        left = [option for option in options if option not in function.for_users]
        for_users += len(options) - len(left)
        total += len(left)
        functions += bool(left)
        for option in left:
            print(f"{function.path}:{function.line}: {function.name}({option}=)")
    print(f"{total} options of {functions} functions are passed by no caller")
    print(f"{for_users} more are offered in the docstring for a user's own data or model")


def unused_options() -> list[tuple[Function, list[str]]]:
    """Every function of reprolib with the options that no call passes, sorted by file and line."""
    functions, calls, values, classes = read_project()
    by_name = defaultdict(list)
    for function in functions:
        overrides = function.name != function.called_as and not classes.issuperset(function.bases)
        if function.called_as in values or (overrides and function.called_as not in classes):
            function.is_handed_over = True
        by_name[function.called_as].append(function)
    used = set()
    grows = True
    while grows:  # an option that is only handed through from an unused option is unused
        before = len(used)
        for call in calls:
            for function in by_name[call.called]:
                used |= options_passed(call, function, used)
        grows = len(used) > before
    result = []
    for function in sorted(functions, key=lambda f: (str(f.path), f.line)):
        unused = [option for option in function.options if function.option(option) not in used]
        if unused and not function.is_handed_over and function.path.is_relative_to("reprolib"):
            result.append((function, unused))
    return result


def options_passed(call: Call, function: Function, used: set) -> set:
    """Keys of the options of `function` to which `call` gives a value of its own, or one of an option in `used`."""
    passed = set()
    for option, position in function.options.items():
        if call.passes_everything:
            passed.add(function.option(option))
            continue
        if option in call.keywords:
            value = call.keywords[option]
        elif position is not None and position < len(call.positional):
            value = call.positional[position]
        else:
            continue
        around = call.around
        is_handed_through = around and value in around.options and not around.is_handed_over
        if not is_handed_through or around.option(value) in used:
            passed.add(function.option(option))
    return passed


def read_project() -> tuple[list[Function], list[Call], set[str], set[str]]:
    """All functions, all calls, the names of functions that stand as a value outside a call, all names of classes."""
    functions = []
    classes = set()
    calls = []
    values = set()
    for folder in CALLERS:
        for path, tree in trees(Path(folder)):
            read_below(tree, path, None, None, functions, calls)
            called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            called |= {id(node.args[0]) for node in ast.walk(tree) if is_partial(node)}
            values |= function_values(tree, called)
            values |= registered(tree)
            classes |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return functions, calls, values, classes


def function_values(tree: ast.Module, called: set[int]) -> set[str]:
    """Names that are imported or defined as a function in a file and read there without being called."""
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    values = set()
    for node in ast.walk(tree):
        if id(node) in called or not isinstance(node, ast.Name | ast.Attribute):
            continue
        base = node.value if isinstance(node, ast.Attribute) else node
        if isinstance(base, ast.Name) and base.id in bound:
            values.add(last_name(node))
    return values


def registered(tree: ast.Module) -> set[str]:
    """Names of functions that are registered as text."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) == REGISTER:
            names |= {
                argument.value for argument in node.args if isinstance(argument, ast.Constant)
            }
    return names


def read_below(node, path, owner, around, functions: list[Function], calls: list[Call]) -> None:
    """Collect the functions and calls below a node; `owner` is the class, `around` the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        inner_owner = owner
        inner_around = around
        if isinstance(child, FUNCTIONS):
            inner_around = function_of(child, path, owner)
            inner_owner = None
            functions.append(inner_around)
        elif isinstance(child, ast.ClassDef):
            inner_owner = child
        elif isinstance(child, ast.Call):
            calls.append(call_of(child, around))
        read_below(child, path, inner_owner, inner_around, functions, calls)


def is_partial(node: ast.AST) -> bool:
    """Whether a node is a call of functools.partial."""
    return isinstance(node, ast.Call) and last_name(node.func) == "partial" and bool(node.args)


def call_of(node: ast.Call, around: Function | None) -> Call:
    """What one call passes; `partial(f, x)` is a call of `f`."""
    function = node.func
    arguments = node.args
    if is_partial(node):
        function = node.args[0]
        arguments = node.args[1:]
    call = Call(last_name(function), around=around)
    for argument in arguments:
        if isinstance(argument, ast.Starred):
            call.positional += [""] * EVERY_POSITION
        else:
            call.positional.append(last_name(argument) if isinstance(argument, ast.Name) else "")
    for keyword in node.keywords:
        if keyword.arg is None:
            call.passes_everything = True
        else:
            is_name = isinstance(keyword.value, ast.Name)
            call.keywords[keyword.arg] = keyword.value.id if is_name else ""
    return call


def last_name(node: ast.expr) -> str:
    """`f` of `f`, `module.f` and `object.f`; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return ""


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """The syntax trees of all Python files and notebooks in a folder."""
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text("utf-8"))
    for path in sorted(folder.rglob("*.ipynb")):
        body = []
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                lines = "".join(cell["source"]).splitlines()
                code = [line for line in lines if not line.lstrip().startswith(("%", "!"))]
                body += ast.parse("\n".join(code)).body
        yield path, ast.Module(body, [])


def function_of(node: ast.FunctionDef, path: Path, owner: ast.ClassDef | None) -> Function:
    """One function with its options, if any; `__init__` is called by the name of its class."""
    name = node.name
    called_as = node.name
    if owner is not None:
        name = f"{owner.name}.{node.name}"
    if owner is not None and node.name == "__init__":
        called_as = owner.name
    positional = [*node.args.posonlyargs, *node.args.args]
    static = any(last_name(decorator) == "staticmethod" for decorator in node.decorator_list)
    first = 1 if owner is not None and not static else 0  # self is not written in a call
    options = {}
    with_default = len(positional) - len(node.args.defaults)
    for position, argument in enumerate(positional):
        if position >= with_default:
            options[argument.arg] = position - first
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None:
            options[argument.arg] = None
    function = Function(path, node.lineno, name, called_as, options, is_handed_over(node))
    offered = re.findall(OFFERED, ast.get_docstring(node) or "")
    function.for_users = tuple(option for names in offered for option in names.split(", "))
    if owner is not None:
        function.bases = tuple(last_name(base) for base in owner.bases)
    return function


def is_handed_over(node: ast.FunctionDef) -> bool:
    """Whether a decorator gives the function to a caller that is not written in the project."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if last_name(called) not in HARMLESS_DECORATORS:
            return True
    return False


if __name__ == "__main__":
    main(sys.argv[1:])
