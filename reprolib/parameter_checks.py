"""Whether the value of a parameter can be right, by the notebook's default and by the parameter's name.

Nothing is loaded or trained here: a wrong type, range or name is a sentence before a kernel starts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reprolib.flat_yaml import ParameterError, is_nested, read_value
from reprolib.parameter_names import NAMES, domains_in, domains_of

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
PLURALS = {bool: "true and false", int: "whole numbers", float: "numbers", str: "texts"}


@dataclass(frozen=True)
class Range:
    """What a number must satisfy, and how that is said."""

    holds: Callable[[float], bool]
    expected: str


AT_LEAST_ONE = Range(lambda number: number >= 1, "at least 1 is expected")
NOT_NEGATIVE = Range(lambda number: number >= 0, "a negative number makes no sense here")
POSITIVE = Range(lambda number: number > 0, "a number above 0 is expected")
SHARE = Range(lambda number: 0 <= number <= 1, "a share between 0 and 1 is expected")
SHARE_BELOW_ONE = Range(lambda number: 0 <= number < 1, "a share from 0 to below 1 is expected")

RANGES = {
    "BATCH_SIZE": AT_LEAST_ONE,
    "CANDIDATES": AT_LEAST_ONE,
    "CASES": AT_LEAST_ONE,
    "CATALOGUES": AT_LEAST_ONE,
    "CATEGORIES": AT_LEAST_ONE,
    "COUNTS": AT_LEAST_ONE,
    "DIM": AT_LEAST_ONE,
    "EFFORTS": AT_LEAST_ONE,
    "EPOCHS": AT_LEAST_ONE,
    "GENERATOR_EPOCHS": AT_LEAST_ONE,
    "GRAPH_EPOCHS": AT_LEAST_ONE,
    "HISTORY": AT_LEAST_ONE,
    "ITEMS": AT_LEAST_ONE,
    "JOBS": AT_LEAST_ONE,
    "JUDGED": AT_LEAST_ONE,
    "LENGTH": AT_LEAST_ONE,
    "LM_REQUESTS": AT_LEAST_ONE,
    "LM_SAMPLES": AT_LEAST_ONE,
    "NEGATIVES": AT_LEAST_ONE,
    "PATIENCE": AT_LEAST_ONE,
    "PERSONA_DIM": AT_LEAST_ONE,
    "PERSONA_ITEMS": AT_LEAST_ONE,
    "PER_USER": AT_LEAST_ONE,
    "RANKED": AT_LEAST_ONE,
    "RECALL_ITEMS": AT_LEAST_ONE,
    "REQUESTS": AT_LEAST_ONE,
    "REVIEWS": AT_LEAST_ONE,
    "SEARCH_RUNGS": AT_LEAST_ONE,
    "SIZES": AT_LEAST_ONE,
    "TRAIN_HISTORY": AT_LEAST_ONE,
    "USERS": AT_LEAST_ONE,
    "WIDTHS": AT_LEAST_ONE,
    "CHECK_SEEDS": NOT_NEGATIVE,
    "CONTROL_SEEDS": NOT_NEGATIVE,
    "LORA_EPOCHS": NOT_NEGATIVE,
    "EXAMPLES": NOT_NEGATIVE,
    "GRAPH_UP_TO": NOT_NEGATIVE,
    "KNOB_SEEDS": NOT_NEGATIVE,
    "LAMBDAS": NOT_NEGATIVE,
    "PRICE": NOT_NEGATIVE,
    "SEED": NOT_NEGATIVE,
    "SEEDS": NOT_NEGATIVE,
    "GRAPH_LR": POSITIVE,
    "LEARNING_RATE": POSITIVE,
    "LEARNING_RATES": POSITIVE,
    "LR": POSITIVE,
    "RATES": POSITIVE,
    "SEMANTIC_RATES": POSITIVE,
    "TAU": POSITIVE,
    "TAUS": POSITIVE,
    "LORA_RATE": POSITIVE,
    "GAMMA": SHARE,
    "GAMMAS": SHARE,
    "DROPOUT": SHARE_BELOW_ONE,
    "DROPOUTS": SHARE_BELOW_ONE,
    "HIDE": SHARE_BELOW_ONE,
}
# parameters of one notebook that name domains of its DATASET
DIRECTIONS_OF_DATASET = ("DIRECTION", "DIRECTIONS", "LEAK_DIRECTIONS")
# lists that belong together: the data sets, the domain of each, and more about each
ALIGNED = (
    ("DATASETS", "DOMAINS"),
    ("CONTROL_PLACES", "CONTROL_DOMAINS"),
    ("PROFILED", "PROFILED_DOMAINS"),
    ("STATISTICS", "STATISTICS_DOMAINS"),
    ("FIRST_STAGE_ONLY", "FIRST_STAGE_DOMAINS"),
)
NEVER_EMPTY = ("DATASETS", "DIRECTIONS", "EPOCHS", "NEGATIVES", "SEEDS", "SYSTEMS")


def checked_value(name: str, value: object, default: object) -> object:
    """The value in the type of the notebook's default: a whole number becomes a float where floats are expected.

    name     of the parameter
    value    as read from YAML or --set; text that reads as a number is one where a number is expected
    default  as in the notebook's parameters cell
    Raises ParameterError with one sentence on a wrong type, a number out of range, or an unknown name.
    """
    if is_nested(value):
        raise ParameterError(f"{name} is nested; a scalar or a flat list is expected")
    value = _in_type_of_default(name, value, default)
    values = value if isinstance(value, list) else [value]
    if not values and name in NEVER_EMPTY:
        raise ParameterError(f"{name} is an empty list; at least one value is expected")
    for item in values:
        _check_range(name, item)
        check_name = NAMES.get(name)
        if check_name is not None and isinstance(item, str):
            _check_name(name, item, check_name)
    return value


def check_together(values: dict[str, object]) -> None:
    """Check what no value shows alone: that directions name domains of the data set, and that lists are aligned.

    values  all parameters of a notebook, each of them checked already
    Raises ParameterError with one sentence.
    """
    if "DATASET" in values:
        domains = domains_of(values["DATASET"])
        for name in DIRECTIONS_OF_DATASET:
            directions = values.get(name, [])
            for direction in directions if isinstance(directions, list) else [directions]:
                _check_domains(name, domains_in(direction), values["DATASET"], domains)
        if "DOMAIN" in values:
            _check_domains("DOMAIN", [values["DOMAIN"]], values["DATASET"], domains)
    for names in ALIGNED:
        if all(name in values for name in names):
            _check_aligned(names, values)


def _check_aligned(names: tuple[str, ...], values: dict[str, object]) -> None:
    first, second = names[:2]
    for name in names[1:]:
        if len(values[name]) != len(values[first]):
            raise ParameterError(
                f"{name} has {len(values[name])} values and {first} has {len(values[first])}; "
                "one for each is expected"
            )
    for dataset, domain in zip(values[first], values[second], strict=True):
        _check_domains(second, [domain], dataset, domains_of(dataset))


def _check_domains(name: str, used: list[str], dataset: str, domains: list[str]) -> None:
    for domain in used:
        if domains and domain not in domains:
            raise ParameterError(
                f"{name} names {domain!r}, but {dataset} has {' and '.join(domains)}"
            )


def _in_type_of_default(name: str, value: object, default: object) -> object:
    if default is None:
        if value is None or isinstance(value, str):
            return value
        raise ParameterError(f"{name} is {value!r}; text or null is expected")
    if isinstance(default, list):
        return _list_like(name, value, default)
    return _scalar_like(name, value, default)


def _list_like(name: str, value: object, default: list) -> list:
    if not isinstance(value, list):
        fits = not default or type(value) is type(default[0])
        example = [value] if fits else default[:1]
        raise ParameterError(f"{name} is {_shown(value)}; a list is expected, e.g. {example}")
    if not default:
        return value
    items = []
    for item in value:
        try:
            items.append(_scalar_like(name, item, default[0]))
        except ParameterError:
            raise ParameterError(
                f"{name} holds {_shown(item)}; a list of {PLURALS[type(default[0])]} is expected, "
                f"e.g. {default[:1]}"
            ) from None
    return items


def _scalar_like(name: str, value: object, default: object) -> object:
    expected = type(default)
    if expected in (int, float) and isinstance(value, str):
        value = _as_number(value)
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is expected:
        return value
    raise ParameterError(
        f"{name} is {_shown(value)}; {KINDS[expected]} is expected, e.g. {_shown(default)}"
    )


def _as_number(text: str) -> object:
    try:
        number = read_value(text)
    except ParameterError:
        return text
    if isinstance(number, int | float) and not isinstance(number, bool):
        return number
    return text


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _check_range(name: str, value: object) -> None:
    allowed = RANGES.get(name)
    if allowed is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"{name} holds {_shown(value)}; a number is expected")
    if not allowed.holds(value):
        raise ParameterError(f"{name} is {value}; {allowed.expected}")


def _check_name(name: str, value: str, check: Callable[[str], None]) -> None:
    try:
        check(value)
    except ValueError as error:
        raise ParameterError(f"{name}: {error}") from None
