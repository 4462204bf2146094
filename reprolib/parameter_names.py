"""Names that parameters may hold: systems, data sets, domains, losses, metrics, language models. Nothing is loaded.

Every check raises ValueError with one sentence, and with the nearest name where there is one.
"""

from collections.abc import Callable

from reprolib.runs.systems import find_system


def check_system(name: str) -> None:
    """Raises ValueError, with the nearest name, where the registry holds no system of that name."""
    find_system(name)


def check_loss(name: str) -> None:
    """Raises ValueError where the training loop has no such loss; empty means each system's own."""
    from reprolib.training.recipe import LOSSES  # heavy: it imports torch

    if name and name not in LOSSES:
        raise ValueError(f"{name!r} is no loss; use one of {', '.join(LOSSES)}, or empty text")


def check_language_model(name: str) -> None:
    """Raises ValueError where the text names no kind of language model; whether it answers is not tried."""
    kind, _, rest = name.partition(":")
    if name != "embedded" and not (kind in ("openai", "hf", "replay") and rest):
        raise ValueError(
            f"{kind!r} names no language model; use embedded, openai:MODEL@BASE_URL, hf:MODEL or "
            "replay:FILE.jsonl"
        )


def check_control(name: str) -> None:
    """Raises ValueError where the text names neither a control annotator nor a language model."""
    from reprolib.llm.controls import oracle_share  # heavy: it imports numpy

    if oracle_share(name) is None:
        check_language_model(name)


def check_published_check(name: str) -> None:
    """Raises ValueError, with the nearest name, where no comparison with published numbers is called so."""
    from reprolib.runs.checks import find_check  # heavy: it imports pandas

    find_check(name)


def check_dataset(name: str) -> None:
    """Raises ValueError where neither the registry nor the miniature world has a data set of that name.

    A world without a domain ("world-quick") stands for all of its pairs.
    """
    from reprolib.data.datasets import known_dataset  # heavy: it imports pandas and polars

    if name.startswith("world-") and "/" not in name:
        check_world(name.removeprefix("world-"))
    else:
        known_dataset(name)


def check_direction(text: str) -> None:
    """Raises ValueError where the text is not "source->target" or the name of one domain."""
    from reprolib.data.split import parse_direction  # heavy: it imports polars

    parse_direction(text)


def check_metric(name: str) -> None:
    """Raises ValueError where evaluate.metrics knows no metric of that name."""
    from reprolib.evaluate.metrics import parse  # heavy: it imports numpy and pandas

    parse(name)


def check_world(size: str) -> None:
    """Raises ValueError where the miniature world has no such size."""
    from reprolib.data.world import WORLDS

    if size not in WORLDS:
        raise ValueError(f"there is no world {size!r}; use one of {', '.join(WORLDS)}")


def domains_of(dataset: str) -> list[str]:
    """The domains of a data set by its name alone; empty where the name does not say them."""
    from reprolib.data.sources.registry import source

    domains = []
    for part in dataset.split("|"):
        name = part.strip()
        if name.startswith("world-"):
            domains += [word for word in name.partition("/")[2].split("-") if word]
        else:
            domains += source(name).domains
    return domains


def domains_in(direction: str) -> list[str]:
    """The domains that a direction names, the target last."""
    from reprolib.data.split import parse_direction  # heavy: it imports polars

    source, target = parse_direction(direction)
    sources = source.split("+") if source else []
    return sources + ([target] if target else [])


NAMES: dict[str, Callable[[str], None]] = {
    "CONTROL_SYSTEMS": check_system,
    "COST_SYSTEMS": check_system,
    "GENERATORS": check_system,
    "LEAK_SYSTEMS": check_system,
    "PLUGIN": check_system,
    "SYSTEMS": check_system,
    "DATASET": check_dataset,
    "DATASETS": check_dataset,
    "FIRST_STAGE_ONLY": check_dataset,
    "ID_PAIRS": check_dataset,
    "PAIRS": check_dataset,
    "PROFILED": check_dataset,
    "RATED": check_dataset,
    "STATISTICS": check_dataset,
    "DIRECTION": check_direction,
    "DIRECTIONS": check_direction,
    "LEAK_DIRECTIONS": check_direction,
    "METRIC": check_metric,
    "METRICS": check_metric,
    "LOSS": check_loss,
    "ANNOTATOR": check_language_model,
    "LLM": check_language_model,
    "WORLD": check_world,
    "CHECKS": check_published_check,
    "CONTROL_ANNOTATORS": check_control,
    "CONTROL_PLACES": check_dataset,
    "CONTROL_WORLDS": check_dataset,
}
