"""Alignment (Eq. 5): a judge reads what a user did before and says which persona of the chosen item fits.

The label is what the judge said. An answer whose reasoning names another persona is asked again by the task; where
reasoning and label still disagree, the pair is left out. It is never replaced by a default.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.data.split import Split
from reprolib.llm import open_llm
from reprolib.llm.embedded import sentences, words
from reprolib.llm.items import Event
from reprolib.papers.persona4rec.offline import Asking, Offline
from reprolib.papers.persona4rec.tasks import SELECTION
from reprolib.papers.persona4rec.texts import aspects_text

READ = 6  # earlier events that the judge reads, the latest
COLUMNS = ["user", "item", "earlier", "persona", "reasoning"]


def align(
    offline: Offline,
    split: Split | None = None,
    *,
    stage: str = "train",
    per_user: int = 5,
    users: Sequence[int] | None = None,
    annotator: str = "embedded",
    cache: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """user, item, earlier (events of the user before), persona, reasoning: one row per usable answer.

    stage     "train": the latest `per_user` training interactions that have an earlier one and whose item has personas;
              "valid": each user's validation item, for which `split` is needed: its code is read, never its review
    users     only these users' pairs; None: everybody's
    The profile is the user's earlier training events. `frame.attrs` holds how many pairs were asked and lost (no
    answer, or one that contradicts itself).
    """
    if stage == "train":
        cases = training_cases(offline, per_user)
    elif stage == "valid" and split is not None:
        cases = validation_cases(offline, split)
    else:
        raise ValueError(
            f'align: stage {stage!r} with split {split and split.name}; right would be "train", or '
            '"valid" with a split'
        )
    if users is not None:
        cases = cases[cases["user"].isin(users)].reset_index(drop=True)
    ask = Asking(open_llm(annotator, cache=cache), cache, progress)
    events, options = _events(offline), _options(offline)
    titles = offline.titles()
    given = [
        {
            "history": events[max(start, end - READ) : end],
            "target": titles[item],
            "personas": options[item],
        }
        for item, start, end in zip(cases["item"], *offline.before(cases), strict=True)
    ]
    rows = []
    for case, question, answer in zip(
        cases.itertuples(index=False), given, ask(SELECTION, given), strict=True
    ):
        names = {p["id"]: p["name"] for p in question["personas"]}
        if answer is not None and is_consistent(answer.reasoning, answer.persona_id, names):
            rows.append((*case, int(answer.persona_id.removeprefix("P")), answer.reasoning))
    pairs = pd.DataFrame(rows, columns=COLUMNS)
    pairs.attrs |= {"asked": len(cases), "lost": len(cases) - len(pairs), "calls": ask.calls}
    return pairs


def training_cases(offline: Offline, per_user: int) -> pd.DataFrame:
    """user, item, earlier: training interactions with at least one earlier one and an item with personas."""
    events = offline.interactions[["user", "item"]]
    cases = events.assign(earlier=events.groupby("user").cumcount())
    cases = cases[(cases["earlier"] > 0) & cases["item"].isin(offline.personas["item"])]
    return cases.groupby("user").tail(per_user).reset_index(drop=True)


def validation_cases(offline: Offline, split: Split) -> pd.DataFrame:
    """user, item, earlier: the validation item after all training events, where it has personas."""
    users, at = split.held_out("valid")
    cases = pd.DataFrame({"user": users, "item": split.item[at]})
    cases["earlier"] = np.diff(offline.user_ptr(split.n_users))[users]
    return cases[(cases["earlier"] > 0) & cases["item"].isin(offline.personas["item"])].reset_index(
        drop=True
    )


def is_consistent(reasoning: str, chosen: str, names: Mapping[str, str]) -> bool:
    """Whether the reasoning argues for the chosen persona: names it, or names none.

    An id after the word "Selection" (or "ITEM_P3" anywhere) weighs more than names: it is the choice in so many words.
    """
    stated = argued_id(reasoning)
    if stated is not None:
        return stated == chosen
    said = reasoning.casefold()
    named = [p for p, name in names.items() if name.casefold() in said]
    return not named or chosen in named


def argued_id(reasoning: str) -> str | None:
    """The persona id that a reasoning ends on, such as "P3" in "Selection: 2. B0_P3"; None where it states none."""
    tail = reasoning.rsplit("Selection", 1)
    found = (
        re.findall(r"(?:_|\b)P(\d+)\b", tail[1])
        if len(tail) > 1
        else re.findall(r"_P(\d+)\b", reasoning)
    )
    return f"P{found[-1]}" if found else None


def _events(offline: Offline) -> list[Event]:
    """The profile's pieces (Eq. 4): title, first sentence of the summary, and what this user's review says.

    The judge reads 400 characters per event; a whole summary would push the user's own words out.
    """
    about = offline.summaries.set_index("item")
    short = {i: words(next(iter(sentences(s)), s), 25) for i, s in about["summary"].items()}
    return [
        Event(
            title=about["title"][item],
            summary=short[item],
            review=aspects_text(aspects),
            rating=None if pd.isna(rating) else float(rating),
        )
        for item, aspects, rating in offline.interactions[["item", "aspects", "rating"]].itertuples(
            index=False
        )
    ]


def _options(offline: Offline) -> dict[int, list[dict]]:
    options: dict[int, list[dict]] = {}
    for p in offline.personas.itertuples(index=False):
        options.setdefault(p.item, []).append(
            {
                "id": f"P{p.persona}",
                "name": p.name,
                "description": p.description,
                "preference_rationale": p.rationale,
                "evidence": [1],
            }
        )  # the judge reads no evidence
    return options
