"""How good an annotator is: against published gpt-4o-mini outputs, and against the miniature world's truth.

Every function returns a frame with the columns COLUMNS, one row per measure; chance stands beside every value.
"""

import gzip
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.data.corpus import DataError
from reprolib.llm.complete import complete_many
from reprolib.llm.task_names import task_named
from reprolib.text import encode

COLUMNS = ["data", "task", "measure", "annotator", "annotator ±", "by chance", "reference", "n"]
REFERENCE = "gpt-4o-mini"
FILES = {
    "aspects": "2.5_grouped",
    "summary": "2_summary",
    "personas": "3_personas",
    "selection": "4_selected_personas",
}
OPTIONS = 7  # personas a selection is made from


def sample_folder(data_dir: str | Path | None) -> Path | None:
    """The folder persona4rec-sample below data_dir (or $REPROLIB_DATA); None where it is absent."""
    import os

    root = data_dir or os.environ.get("REPROLIB_DATA")
    folder = Path(root) / "persona4rec-sample" / "sample" if root else None
    return folder if folder and folder.is_dir() else None


def read_sample(folder: Path, dataset: str, stage: str) -> list[dict]:
    """The records of one stage ("aspects", "summary", "personas", "selection") of "amazon" or "yelp"."""
    path = folder / dataset / f"{FILES[stage]}.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as gzipped JSON lines ({error})") from None


def held_out(record: dict) -> bool:
    """Whether a record is for judging: thresholds were set on the items whose id has an even CRC-32."""
    return zlib.crc32(record["item_id"].encode()) % 2 == 1


def aspects(
    folder: Path, dataset: str, llm, *, reviews: int = 200, cache=None, keep=held_out
) -> pd.DataFrame:
    """Per slot: do both fill it or both leave it empty, and how alike are two fillings?

    By chance = the agreement of independent fillings at the two rates; for likeness, fillings of different reviews.
    """
    real, given = [], []
    for item in filter(keep, read_sample(folder, dataset, "aspects")):
        for review in item["aspects"]:
            real.append(review["extracted_aspects"])
            given.append({"review": review["review_text"], "title": review.get("review_title", "")})
    chosen = _spread(len(given), reviews)
    task = task_named(
        "persona4rec/restaurant_aspects" if dataset == "yelp" else "persona4rec/aspects"
    )
    ours = complete_many(task, [given[i] for i in chosen], llm, cache=cache)
    theirs = [task.output.model_validate(real[i]).slots() for i in chosen]
    rows = []
    for slot in ours[0].slots():
        a, b = (
            np.array([bool(o.slots()[slot]) for o in ours]),
            np.array([bool(t[slot]) for t in theirs]),
        )
        chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
        rows.append(_row(dataset, task, f"{slot}: filled or not", a == b, chance))
        rows.append(_row(dataset, task, f"{slot}: share filled", a, np.nan, b.mean()))
        both = np.flatnonzero(a & b)
        if len(both) >= 2:
            near = _near(
                [ours[i].slots()[slot] for i in both], [theirs[i][slot] for i in both], cache
            )
            rows.append(
                _row(
                    dataset, task, f"{slot}: likeness (cosine)", np.diag(near), _off_diagonal(near)
                )
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def summaries(folder: Path, dataset: str, llm, *, cache=None) -> pd.DataFrame:
    """Likeness of summaries; by chance = to the reference summary of another item; reference = of the raw text."""
    task = task_named("persona4rec/summary")
    records = read_sample(folder, dataset, "summary")
    given = [_to_summarise(record, dataset) for record in records]
    ours = [a.summary for a in complete_many(task, given, llm, cache=cache)]
    real = [record["item_summary"] for record in records]
    near = _near(ours, real, cache)
    raw = np.diag(
        _near(
            [record["item_description"][:2000] or record["item_title"] for record in records],
            real,
            cache,
        )
    )
    rows = [
        _row(dataset, task, "likeness (cosine)", np.diag(near), _off_diagonal(near), raw.mean())
    ]
    rows.append(
        _row(
            dataset,
            task,
            "own summary is the nearest",
            near.argmax(1) == np.arange(len(near)),
            1 / len(near),
        )
    )
    length = [len(text.split()) for text in ours]
    rows.append(
        _row(dataset, task, "words", length, np.nan, np.mean([len(text.split()) for text in real]))
    )
    return pd.DataFrame(rows, columns=COLUMNS)


def personas(folder: Path, dataset: str, llm, *, cache=None) -> pd.DataFrame:
    """Number and distinctness of item personas, made from the reference's aspects; likeness where both know an item.

    Distinctness = 1 - mean cosine of two personas of one item; by chance = of two personas of different items.
    """
    task = task_named("persona4rec/personas")
    grouped = read_sample(folder, dataset, "aspects")
    ours = complete_many(task, [_to_persona(item, dataset) for item in grouped], llm, cache=cache)
    mine = [[p.text() for p in answer.personas] for answer in ours]
    records = read_sample(folder, dataset, "personas")
    real = [[_persona_text(p) for p in record["personas"]] for record in records]
    apart, apart_real = (_distinctness(sets, cache) for sets in (mine, real))
    rows = [
        _row(
            dataset,
            task,
            "personas per item",
            [len(m) for m in mine],
            np.nan,
            np.mean([len(r) for r in real]),
        ),
        _row(dataset, task, "distinctness", apart[0], apart[1], np.mean(apart_real[0])),
    ]
    theirs = {record["item_id"]: texts for record, texts in zip(records, real, strict=True)}
    shared = [i for i, item in enumerate(grouped) if item["item_id"] in theirs]
    if shared:
        best = np.array([[_near(theirs[grouped[j]["item_id"]], mine[i], cache).max(1).mean() for j in shared]
                         for i in shared])  # fmt: skip
        rows.append(
            _row(dataset, task, "likeness of matched personas", np.diag(best), _off_diagonal(best))
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def selection(folder: Path, dataset: str, llm, *, seed: int = 0, cache=None) -> pd.DataFrame:
    """Does the judge choose the persona that the reference chose?

    The published samples of users, items and selections do not join: neither the history nor the other options of a
    selection are there. So the reference's reading of the user (its reasoning without the persona's name) stands for
    the history, and six personas of other items stand beside the chosen one. Rows whose stored persona is not the one
    the reasoning names (38 of 50 of the Amazon sample) are left out.
    """
    task, random = task_named("persona4rec/selection"), np.random.default_rng(seed)
    others = [p for record in read_sample(folder, dataset, "personas") for p in record["personas"]]
    given, truth = [], []
    for record in filter(_consistent, read_sample(folder, dataset, "selection")):
        draw = [others[i] for i in random.choice(len(others), OPTIONS - 1, replace=False)]
        place = int(random.integers(OPTIONS))
        options = [*draw[:place], record["selected_persona"], *draw[place:]]
        given.append({"history": [{"title": _reading(record)}], "target": "the item",
                      "personas": [_as_option(p, f"P{n}") for n, p in enumerate(options, start=1)]})  # fmt: skip
        truth.append(f"P{place + 1}")
    ours = complete_many(task, given, llm, cache=cache)
    hits = [a.persona_id == t for a, t in zip(ours, truth, strict=True)]
    return pd.DataFrame(
        [_row(dataset, task, "same persona (of 7)", hits, 1 / OPTIONS)], columns=COLUMNS
    )


def _row(data: str, task, measure: str, values, chance: float, reference: float = np.nan) -> list:
    """One measure: the mean with half of its 95 % interval over the cases."""
    values = np.asarray(values, float)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return [
        data,
        task if isinstance(task, str) else task.name,
        measure,
        values.mean(),
        half,
        chance,
        reference,
        len(values),
    ]


def _near(a: list[str], b: list[str], cache) -> np.ndarray:
    return encode(a, cache=cache, progress=False) @ encode(b, cache=cache, progress=False).T


def _off_diagonal(near: np.ndarray) -> float:
    return float(near[~np.eye(len(near), dtype=bool)].mean())


def _spread(n: int, most: int) -> list[int]:
    """At most `most` positions, evenly spread over n."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, most))})


def _to_summarise(record: dict, dataset: str) -> dict:
    if dataset != "yelp":
        return {"item": {"title": record["item_title"], "description": record["item_description"]}}
    about = json.loads(record["item_description"])
    item = {"title": about["name"], "creator": about.get("city", ""),
            "categories": tuple(about.get("categories", "").split(", "))}  # fmt: skip
    return {"item": item, "kind": "restaurant",
            "attributes": tuple((k, str(v)) for k, v in about.get("attributes", {}).items())}  # fmt: skip


def _to_persona(item: dict, dataset: str) -> dict:
    schema = task_named(
        "persona4rec/restaurant_aspects" if dataset == "yelp" else "persona4rec/aspects"
    ).output
    filled = (
        (r["rating"], schema.model_validate(r["extracted_aspects"]).filled())
        for r in item["aspects"]
    )
    reviews = [
        {"id": n, "aspects": a, "rating": rating}
        for n, (rating, a) in enumerate(filled, start=1)
        if a
    ]
    return {"title": item["item_title"], "summary": item["item_summary"], "reviews": reviews[:150]}


def _persona_text(persona: dict) -> str:
    return f"{persona['Name']}. {persona['Description']} {persona['Preference_Rationale']}"


def _as_option(persona: dict, name: str) -> dict:
    return {"id": name, "name": persona["Name"], "description": persona["Description"],
            "preference_rationale": persona["Preference_Rationale"], "evidence": [1]}  # fmt: skip


def _distinctness(sets: list[list[str]], cache) -> tuple[np.ndarray, float]:
    """(1 - mean cosine inside each set, the same for pairs from different sets)."""
    inside = [1 - _off_diagonal(_near(texts, texts, cache)) for texts in sets if len(texts) > 1]
    firsts = [texts[0] for texts in sets]
    return np.array(inside), 1 - _off_diagonal(_near(firsts, firsts, cache))


def _consistent(record: dict) -> bool:
    said = re.findall(r"_P(\d+)", record["selection_reasoning"].rsplit("Selection", 1)[-1])
    return bool(said) and f"P{said[-1]}" == record["selected_persona_id"]


def _reading(record: dict) -> str:
    """The reasoning up to the choice, without the persona's name."""
    text = re.split(r"\**Selection", record["selection_reasoning"])[0].strip("* \n")
    return re.sub(
        re.escape(record["selected_persona_name"]), "this persona", text, flags=re.IGNORECASE
    )
