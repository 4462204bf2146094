"""Systems on public files for which somebody printed numbers: the settings with which ours are held against them.

The numbers stand in params/published/protocol.csv, one row per metric, under the label of the system.
"""

from dataclasses import dataclass

from reprolib.runs.grid import Run, runs
from reprolib.runs.systems import nearest


@dataclass(frozen=True)
class Check:
    """One system on one file.

    variant  tells two settings of a system apart; options: as the source of the numbers has them, as far as it says
    """

    dataset: str
    domain: str
    system: str
    variant: str
    options: dict[str, object]


# the tuned SASRec of blondered/transformer_benchmark: width 64, one block, one head; ours takes all items as negatives
STRONG = {"loss": "softmax", "dim": 64, "blocks": 1, "heads": 1, "dropout": 0.5, "batch_size": 128}
STRONG |= {"epochs": 200, "patience": 10, "minimum_steps": 2000}
# S3-Rec's re-run of SASRec: width 64, two blocks, two heads, one negative
ONE_NEGATIVE = {"loss": "bce", "dim": 64, "blocks": 2, "heads": 2, "dropout": 0.5}
ONE_NEGATIVE |= {"batch_size": 256, "epochs": 200, "patience": 10, "minimum_steps": 2000}
# Kang and McAuley's own: width 50
GAMES = {"loss": "bce", "dim": 50, "blocks": 2, "heads": 1, "dropout": 0.5, "batch_size": 128}
GAMES |= {"epochs": 200, "patience": 10, "every": 2, "minimum_steps": 2000}

CHECKS = {
    "beauty, softmax": Check("s3rec-beauty", "beauty", "SASRec", "softmax", STRONG),
    "sports, softmax": Check("s3rec-sports", "sports", "SASRec", "softmax", STRONG),
    "beauty, one negative": Check("s3rec-beauty", "beauty", "SASRec", "", ONE_NEGATIVE),
    "sports, one negative": Check("s3rec-sports", "sports", "SASRec", "", ONE_NEGATIVE),
    "games, one negative": Check("sasrec-amazon-video", "video", "SASRec", "", GAMES),
    "beauty, counted": Check("s3rec-beauty", "beauty", "Popularity", "", {}),
    "sports, counted": Check("s3rec-sports", "sports", "Popularity", "", {}),
}


def find_check(name: str) -> Check:
    """The check of that name. Raises ValueError on an unknown one, with the nearest."""
    if name not in CHECKS:
        raise ValueError(f"no check is called {name!r}{nearest(name, CHECKS)}")
    return CHECKS[name]


def check_runs(names: list[str], seeds: list[int]) -> list[Run]:
    """The runs of the named checks. Raises ValueError on an unknown name."""
    cells = []
    for name in names:
        check = find_check(name)
        cells += runs(
            [check.system],
            check.dataset,
            check.domain,
            seeds,
            variant=check.variant,
            **check.options,
        )
    return cells
