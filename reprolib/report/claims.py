"""The papers' claims as data: params/published/claims.yaml, checked before anything is judged."""

import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from reprolib import catalogue
from reprolib.evaluate.metrics import parse
from reprolib.folders import root_folder
from reprolib.runs.systems import nearest

PAPERS = tuple(paper.name for paper in catalogue.PAPERS)
COSTS = (
    "parameters",
    "train_seconds",
    "seconds",
    "coverage@10",
    "llm_calls",
    "latency_ms",
    "memory_gb",
)
GROUPS = {
    "item_group": ("cold", "warm"),
    "popularity": ("head", "tail"),
    "history_group": ("short", "long"),
}


class Claim(BaseModel):
    """What every claim has. `origin` says who raised it: the paper, its referee, a proposed check, an open question."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z]+)*-\d\d$")
    paper: Literal[PAPERS]
    place: str = Field(min_length=3)
    claim: str = Field(min_length=20)
    origin: Literal["paper", "referee", "next check", "open question"] = "paper"

    def pairs(self) -> list[tuple[str, str]]:
        """(a, b): the comparisons "a is above b" that the claim is made of."""
        return []

    def systems(self) -> list[str]:
        """Every system the claim speaks of, in order."""
        return list(dict.fromkeys(name for pair in self.pairs() for name in pair))


class Ranked(Claim):
    """A claim judged on ranks. Directions are "source->target" or one domain; none means every one that was run."""

    metrics: list[str] = ["NDCG@10"]
    directions: list[str] = []

    @field_validator("metrics")
    @classmethod
    def known_metrics(cls, metrics):
        for metric in metrics:
            parse(metric)
        return metrics

    @field_validator("directions")
    @classmethod
    def plain_directions(cls, directions):
        for direction in directions:
            if not re.fullmatch(r"[a-z0-9]+(->[a-z0-9]+)?", direction):
                raise ValueError(
                    f"{direction!r} is no direction; write source->target or one domain, in lower case"
                )
        return directions


class Beats(Ranked):
    """Each of `better` is above each of `worse`, in all, most (over half) or any of the cells.

    margin  the smallest relative gain in percent that counts as the claim
    """

    kind: Literal["beats"]
    better: list[str] = Field(min_length=1)
    worse: list[str] = Field(min_length=1)
    need: Literal["all", "most", "any"] = "all"
    margin: float = Field(0.0, ge=0)

    def pairs(self):
        return [(a, b) for a in self.better for b in self.worse]


class Comparable(Ranked):
    """None of `these` is worse than any of `to` by more than `margin` percent."""

    kind: Literal["comparable"]
    these: list[str] = Field(min_length=1)
    to: list[str] = Field(min_length=1)
    margin: float = Field(5.0, gt=0)

    def pairs(self):
        return [(a, b) for a in self.these for b in self.to]


class HurtsMost(Ranked):
    """Of all changes to `full`, `worst` costs most: it is below `full` and below every other variant."""

    kind: Literal["hurts_most"]
    full: str
    worst: str
    variants: list[str] = Field(min_length=1)

    def pairs(self):
        return [(above, self.worst) for above in (self.full, *self.variants)]


class Peak(Ranked):
    """Among the settings of an option (value: system name), `best` gives the highest metric."""

    kind: Literal["peak"]
    settings: dict[str, str] = Field(min_length=2)
    best: str

    @model_validator(mode="after")
    def best_is_a_setting(self):
        if self.best not in self.settings:
            raise ValueError(
                f"best {self.best!r} is none of the settings {', '.join(self.settings)}"
            )
        return self

    def pairs(self):
        return [
            (self.settings[self.best], name)
            for value, name in self.settings.items()
            if value != self.best
        ]


class Order(Ranked):
    """The systems stand in this order, best first. Verdicts look at every pair; Kendall's tau is reported."""

    kind: Literal["order"]
    ranking: list[str] = Field(min_length=2)

    def ends(self) -> tuple[str, str]:
        """(top, bottom) of the order."""
        return self.ranking[0], self.ranking[-1]

    def pairs(self):
        return [(a, b) for i, a in enumerate(self.ranking) for b in self.ranking[i + 1 :]]


class Monotone(Ranked):
    """The metric rises along the settings of an option (system names, in the option's order)."""

    kind: Literal["monotone"]
    rising: list[str] = Field(min_length=2)

    def ends(self) -> tuple[str, str]:
        """(top, bottom) of the order."""
        return self.rising[-1], self.rising[0]

    def pairs(self):
        return [(b, a) for i, a in enumerate(self.rising) for b in self.rising[i + 1 :]]


class LargerGain(Ranked):
    """The relative gain of `better` over `worse` is larger in one group than in another.

    group  one of `subgroups`' columns, or "direction": then `larger` and `smaller` are directions
    """

    kind: Literal["larger_gain"]
    better: str
    worse: str
    group: Literal["item_group", "popularity", "history_group", "direction"]
    larger: str
    smaller: str

    @model_validator(mode="after")
    def groups_exist(self):
        for name in (self.larger, self.smaller):
            if self.group != "direction" and name not in GROUPS[self.group]:
                raise ValueError(
                    f"{name!r} is no {self.group}; there are {', '.join(GROUPS[self.group])}"
                )
        return self

    def pairs(self):
        return [(self.better, self.worse)]


class Below(Claim):
    """`measure` of `system` is at most `limit`, or at most `factor` times that of each of `than`."""

    kind: Literal["below"]
    system: str
    measure: Literal[COSTS]
    limit: float | None = None
    than: list[str] = []
    factor: float = 1.0

    @model_validator(mode="after")
    def one_bound(self):
        if (self.limit is None) == (not self.than):
            raise ValueError("give either limit or than")
        return self

    def systems(self):
        return [self.system, *self.than]


class Untestable(Claim):
    """No stored rank or cost can settle it; `reason` says why, and where else to look."""

    kind: Literal["untestable"]
    reason: str = Field(min_length=10)


KINDS = {
    "beats": Beats,
    "comparable": Comparable,
    "hurts_most": HurtsMost,
    "peak": Peak,
    "order": Order,
    "monotone": Monotone,
    "larger_gain": LargerGain,
    "below": Below,
    "untestable": Untestable,
}


def load_claims(path: str | Path | None = None) -> list[Claim]:
    """The claims of a YAML file with a list `claims` (default params/published/claims.yaml).

    Raises ValueError: one sentence with the id, the key and what would be right.
    """
    path = Path(path) if path else root_folder() / "params" / "published" / "claims.yaml"
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise ValueError(f"{path.name} must hold a list under the key claims")
    claims = [_claim(path.name, place, entry) for place, entry in enumerate(content["claims"], 1)]
    seen = set()
    for claim in claims:
        if claim.id in seen:
            raise ValueError(f"{path.name}: the id {claim.id} is given twice; ids are unique")
        seen.add(claim.id)
    return claims


def _claim(file: str, place: int, entry) -> Claim:
    if not isinstance(entry, dict):
        raise ValueError(f"{file}: entry {place} is no mapping of keys to values")
    name = entry.get("id", f"entry {place}")
    kind = entry.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{file}, {name}: kind {kind!r} is unknown{nearest(str(kind), KINDS)}")
    try:
        return KINDS[kind].model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "claim"
        if first["type"] == "extra_forbidden":
            hint = nearest(key, KINDS[kind].model_fields)
            raise ValueError(f"{file}, {name}: {key} is no key of {kind}{hint}") from None
        raise ValueError(
            f"{file}, {name}: {key}: {first['msg'].removeprefix('Value error, ')}"
        ) from None
