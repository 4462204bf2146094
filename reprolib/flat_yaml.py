"""Flat YAML of parameters: KEY: scalar or list, with the scalars of YAML 1.2. What a key may hold is checked elsewhere.

PyYAML reads YAML 1.1, in which 1e-3 is text, no is False, 12:30 is 750 and 2014-07-01 is a date. Here numbers are
numbers, true and false are the only booleans, and everything else is the text that was written.
"""

import re
from pathlib import Path

import yaml


class ParameterError(ValueError):
    """A parameter, a YAML file or a notebook's name that does not fit; the sentence says what would be right."""


class _Loader(yaml.SafeLoader):
    """SafeLoader without the implicit types of YAML 1.1, and without keys that stand twice."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  PyYAML wants a class attribute

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"{key} stands twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    "float": (
        r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?",
        "-+.0123456789",
    ),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}
for _name, (_pattern, _first) in SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), list(_first)
    )
_Loader.add_constructor(
    "tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node))
)


def read_yaml(path: Path) -> dict[str, object]:
    """The parameters in a file; {} where it is absent.

    Raises ParameterError, with file and line, on everything but lines of KEY: scalar or list.
    """
    if not path.exists():
        return {}
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}:{_line(error)} is not YAML ({_problem(error)})") from None
    except ValueError as error:
        raise ParameterError(f"{path}: is not a text file ({error})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(
            f"{path}: holds a {type(content).__name__}; it must be lines of KEY: value"
        )
    for key, value in content.items():
        if is_nested(value):
            raise ParameterError(
                f"{path}: {key} is nested; papermill merges top-level keys only, use flat keys"
            )
    return content


def read_value(text: str) -> object:
    """The value of one parameter as it is typed in a shell: "3", "1e-3", "[0, 1]", "food->kitchen".

    Empty text and text that begins with # are kept as they are. Raises ParameterError on what is not YAML and on
    nested values.
    """
    if not text.strip() or text.lstrip().startswith("#"):
        return text.strip()
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ParameterError(
            f"{text!r} is not YAML ({_problem(error)}); a list is written [0, 1], text with special signs in quotes"
        ) from None
    if is_nested(value):
        raise ParameterError(
            f"{text!r} is nested; a scalar or a flat list is expected, text with a colon in quotes"
        )
    return value


def is_nested(value: object) -> bool:
    """Whether a value is more than a scalar or a list of scalars."""
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    return isinstance(value, dict)


def means_the_same_to_papermill(path: Path) -> bool:
    """Whether papermill -f, which reads YAML 1.1, reads the values of the file as read_yaml does."""
    if not path.exists():
        return True
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError:
        return False
    return repr(content or {}) == repr(read_yaml(path))


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" line {mark.line + 1}" if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error)
