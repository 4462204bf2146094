"""The published sample of PERSONA4REC: its stage files as an `Offline`, and what is wrong with them, counted.

The stages of the sample are different slices. Personas and histories share few items, selections and histories no user:
encoding, indexing and alignment can be followed on it, the papers' ranking cannot.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.data.corpus import DataError
from reprolib.llm import open_llm, task_named
from reprolib.llm.embedded import words
from reprolib.papers.persona4rec.align import argued_id, is_consistent
from reprolib.papers.persona4rec.offline import Asking, Offline, make_personas
from reprolib.papers.persona4rec.texts import interaction_text, persona_text

ANNOTATOR = "gpt-4o-mini (published)"
PADDING = "[PAD]"


@dataclass(frozen=True)
class Released:
    """One of the two published samples. User codes are 0-based, item code = position in `items` + 1.

    offline     interactions: the users' events before their held-out one; personas: those published
    held_out    user, item (codes): `3.5_gt`
    reviews     user (raw id), item (code), time, rating, aspects: the reviews that personas were made from
    selections  user, item (raw ids), stored, argued, name, text, reasoning, consistent
    candidates  user, item (raw ids), place (1..), score, truth: the example lists without padding
    defects     defect, cases, of
    """

    offline: Offline
    users: np.ndarray
    items: np.ndarray
    held_out: pd.DataFrame
    reviews: pd.DataFrame
    selections: pd.DataFrame
    candidates: pd.DataFrame
    defects: pd.DataFrame


def read_sample(folder: str | Path, dataset: str) -> Released:
    """The sample below `folder` (persona4rec-sample) of "amazon" or "yelp". Raises DataError where a file is broken."""
    if dataset not in ("amazon", "yelp"):
        raise DataError(
            f'read_sample: data set {dataset!r} is unknown; right would be "amazon" or "yelp"'
        )
    stages = Path(folder, "sample", dataset)
    histories, records = (
        read_lines(stages / f"{name}.jsonl.gz") for name in ("3.5_history", "3_personas")
    )
    grouped, short = (
        read_lines(stages / f"{name}.jsonl.gz") for name in ("2.5_grouped", "2_summary")
    )
    truth = {row["user_id"]: row["item_id"] for row in read_lines(stages / "3.5_gt.jsonl.gz")}
    users = np.array([row["user_id"] for row in histories], object)
    about = _about(histories, short, grouped, records)
    items = np.array(list(about), object)
    code = {name: n for n, name in enumerate(items, start=1)}
    slots = _slots(dataset)
    events, held_out, late = _events(histories, truth, code, about, slots)
    personas = _personas(records, code)
    summaries = pd.DataFrame({"item": range(1, len(items) + 1), "title": [t for t, _ in about.values()],
                              "summary": [s for _, s in about.values()]})  # fmt: skip
    reviews = pd.DataFrame([(r["user_id"], code[g["item_id"]], _seconds(r["timestamp"]), float(r["rating"]),
                             slots(r["extracted_aspects"])) for g in grouped for r in g["aspects"]],
                           columns=["user", "item", "time", "rating", "aspects"])  # fmt: skip
    selections = _selections(read_lines(stages / "4_selected_personas.jsonl.gz"))
    candidates, padded, lists = _candidates(Path(folder, "evaluation_example", dataset))
    told = set(zip(reviews["user"], reviews["item"], strict=True))
    leaked = sum((users[u], i) in told for u, i in held_out.itertuples(index=False))
    known = int(held_out["item"].isin(reviews["item"]).sum())
    defects = pd.DataFrame([
        ("stored persona is not the one that the reasoning argues for", int((~selections["consistent"]).sum()),
         len(selections)),
        ("candidate list that holds a padding item", padded, lists),
        ("held-out item that is not the user's latest event", late, len(held_out)),
        ("held-out review among the reviews that the item's personas are made from", leaked, known),
        ("user without a held-out item", len(users) - len(held_out), len(users)),
    ], columns=["defect", "cases", "of"])  # fmt: skip
    offline = Offline(
        summaries, events, personas, ANNOTATOR, len(events) + len(about) + len(records)
    )
    return Released(offline, users, items, held_out, reviews, selections, candidates, defects)


def rebuild(
    released: Released,
    *,
    annotator: str = "embedded",
    cache: str | Path | None = None,
    progress: bool = True,
) -> Offline:
    """The same with personas made anew from the published aspects, for the items whose reviews are in the sample.

    Reviews of a held-out event are left out. Column `evidence` holds rows of `released.reviews`.
    """
    held_out = {(released.users[u], i) for u, i in released.held_out.itertuples(index=False)}
    told = [
        pair not in held_out
        for pair in zip(released.reviews["user"], released.reviews["item"], strict=True)
    ]
    ask = Asking(open_llm(annotator, cache=cache), cache, progress)
    personas = make_personas(released.offline.summaries, released.reviews[told], ask)
    writers = f"{ANNOTATOR} for summaries and aspects, {ask.llm.label} for personas"
    return Offline(
        released.offline.summaries,
        released.offline.interactions,
        personas,
        writers,
        released.offline.calls + ask.calls,
        ask.failed,
    )


def read_lines(path: Path) -> list[dict]:
    """The objects of a gzipped JSON-lines file. Raises DataError that names file and line."""
    rows = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            rows.extend(json.loads(line) for line in stream)
    except (OSError, EOFError) as error:
        raise DataError(
            f"{path}: cannot be read as a gzipped file ({error}); take it from the published sample "
            "again"
        ) from None
    except ValueError as error:
        raise DataError(f"{path}, line {len(rows) + 1}: is no JSON object ({error})") from None
    return rows


def _slots(dataset: str) -> Callable[[dict], dict[str, str]]:
    """Filled slots of a published extraction, {} where more than 75 % are empty."""
    schema = task_named(
        "persona4rec/restaurant_aspects" if dataset == "yelp" else "persona4rec/aspects"
    ).output

    def read(extracted: dict) -> dict[str, str]:
        found = schema.model_validate(extracted)
        return {} if found.mostly_empty() else found.filled()

    return read


def _about(histories, short, grouped, records) -> dict[str, tuple[str, str]]:
    """(title, summary) by item, in the order of the files; without a title the summary's first words stand for it."""
    about: dict[str, tuple[str, str]] = {}
    for row in (*records, *grouped, *short):
        about.setdefault(row["item_id"], (row["item_title"], row["item_summary"]))
    for event in (event for row in histories for event in row["reviews"]):
        summary = event["summary"] or ""
        about.setdefault(event["item_id"], (words(summary, 6) or event["item_id"], summary))
    return about


def _events(histories, truth, code, about, slots) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Events strictly before the held-out one, the held-out pairs, and how many users have events after theirs."""
    rows, held_out, late = [], [], 0
    for user, row in enumerate(histories):
        told = sorted(row["reviews"], key=lambda event: _seconds(event["timestamp"]))
        moments = [
            _seconds(e["timestamp"]) for e in told if e["item_id"] == truth.get(row["user_id"])
        ]
        end = min(moments, default=np.inf)
        if moments:
            held_out.append((user, code[truth[row["user_id"]]]))
            late += _seconds(told[-1]["timestamp"]) > max(moments)
        for event in (e for e in told if _seconds(e["timestamp"]) < end):
            aspects = slots(event["extracted"])
            rows.append(
                (
                    user,
                    code[event["item_id"]],
                    _seconds(event["timestamp"]),
                    float(event["rating"]),
                    aspects,
                    interaction_text(about[event["item_id"]][1], aspects),
                )
            )
    frame = pd.DataFrame(rows, columns=["user", "item", "time", "rating", "aspects", "text"])
    return frame, pd.DataFrame(held_out, columns=["user", "item"]), late


def _personas(records, code) -> pd.DataFrame:
    rows = [
        (
            code[record["item_id"]],
            int(p["ID"].removeprefix("P")),
            p["Name"],
            p["Description"],
            p["Preference_Rationale"],
            (),
            persona_text(p["Name"], p["Description"], p["Preference_Rationale"]),
        )
        for record in records
        for p in record["personas"]
    ]
    columns = ["item", "persona", "name", "description", "rationale", "evidence", "text"]
    return pd.DataFrame(rows, columns=columns).sort_values(["item", "persona"], ignore_index=True)


def _selections(records) -> pd.DataFrame:
    rows = []
    for row in records:
        chosen, said, stored = (
            row["selected_persona"],
            row["selection_reasoning"],
            row["selected_persona_id"],
        )
        name = row["selected_persona_name"]
        text = persona_text(chosen["Name"], chosen["Description"], chosen["Preference_Rationale"])
        rows.append(
            (
                row["user_id"],
                row["target_item_id"],
                stored,
                argued_id(said),
                name,
                text,
                said,
                is_consistent(said, stored, {stored: name}),
            )
        )
    return pd.DataFrame(
        rows,
        columns=["user", "item", "stored", "argued", "name", "text", "reasoning", "consistent"],
    )


def _candidates(folder: Path) -> tuple[pd.DataFrame, int, int]:
    """(candidates without padding, lists that held one, lists)."""
    truth = {row["user_id"]: row["item_id"] for row in read_lines(folder / "gt" / "gt.jsonl.gz")}
    lists = read_lines(folder / "candidate" / "candidate.jsonl.gz")
    rows, padded = [], 0
    for row in lists:
        real = [r for r in row["results"] if r["item_id"] != PADDING]
        padded += len(real) < len(row["results"])
        rows += [
            (row["user_id"], r["item_id"], n, r["score"], truth.get(row["user_id"]))
            for n, r in enumerate(real, start=1)
        ]
    return (
        pd.DataFrame(rows, columns=["user", "item", "place", "score", "truth"]),
        padded,
        len(lists),
    )


def _seconds(stamp: int | str) -> int:
    """Unix seconds of a time stamp in milliseconds (Amazon) or as text (Yelp)."""
    return stamp // 1000 if isinstance(stamp, int) else int(pd.Timestamp(stamp).timestamp())
