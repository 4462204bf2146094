"""Annotators that are controls: one that knows the truth of a miniature world, one that mixes items up, and between."""

import numpy as np


def oracle_share(annotator: str) -> float | None:
    """Share of items that a control annotator describes truly; None where the name is no control.

    "oracle" is 1, "shuffled" 0, "oracle:0.5" a half. Raises ValueError on a share outside 0 to 1.
    """
    if annotator == "shuffled":
        return 0.0
    name, _, share = annotator.partition(":")
    if name != "oracle":
        return None
    try:
        value = float(share or 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(
            f"annotator {annotator!r}: the share of true items is a number from 0 to 1"
        )
    return value


def oracle_label(share: float) -> str:
    """What a table calls the control annotator of that share."""
    return f"oracle ({share:.0%} of items true)"


def mixed_up(ranges: dict[str, tuple[int, int]], share: float) -> np.ndarray:
    """(items,) for each item (its code - 1) the item (code - 1) whose description it has.

    ranges  {domain: (first, last) item code}; items stay inside their domain
    share   of items that keep their own; the draw has a fixed seed
    """
    rng = np.random.default_rng(0)
    described = np.arange(max(last for _, last in ranges.values()))
    for first, last in ranges.values():
        codes = np.arange(first - 1, last)
        wrong = rng.permutation(codes)[: round((1 - share) * len(codes))]
        described[wrong] = rng.permutation(wrong)
    return described
