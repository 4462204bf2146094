"""The offline stage as tables for the notebooks: a worked example, personas in numbers, labels in numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reprolib.data.origin import Origin
from reprolib.llm.checks import overlap
from reprolib.papers.persona4rec import published_sample as released
from reprolib.papers.persona4rec.encoder import PersonaEncoder
from reprolib.papers.persona4rec.head import HeadEncoder
from reprolib.papers.persona4rec.offline import Offline
from reprolib.papers.persona4rec.texts import aspects_text
from reprolib.report.published import published
from reprolib.text import encode

COMPARED = 40  # items whose personas are compared with each other


def worked_example(offline: Offline, reviews: list[str]) -> pd.DataFrame:
    """step, text: one review, its aspects, and the persona that it helped to make (Table 2).

    reviews  one per row of `offline.interactions`. The item with most personas is taken, and of the reviews behind
             its first persona the one that shares most words with it.
    """
    if offline.personas.empty:
        raise ValueError("worked_example: no item has personas; there is nothing to show")
    item = offline.personas["item"].value_counts(sort=False).idxmax()
    persona = offline.personas[offline.personas["item"] == item].iloc[0]
    told = offline.interactions["aspects"]
    row = max(persona["evidence"], key=lambda r: overlap(aspects_text(told[r]), persona["text"]))
    about = offline.summaries.set_index("item").loc[item]
    steps = [
        ("item", about["title"]),
        ("summary (Eq. 1)", about["summary"]),
        ("review", reviews[row]),
    ]
    steps += [
        (f"aspect (Eq. 2): {slot.replace('_', ' ')}", text) for slot, text in told[row].items()
    ]
    number, n = len(persona["evidence"]), int((offline.personas["item"] == item).sum())
    steps += [
        (f"persona 1 of {n} (Eq. 3), from {number} reviews: name", persona["name"]),
        ("description", persona["description"]),
        ("rationale", persona["rationale"]),
    ]
    return pd.DataFrame(steps, columns=["step", "text"])


def persona_statistics(stages: Mapping[str, Offline], *, cache=None) -> pd.DataFrame:
    """One row per named offline stage: how many personas, from how much, how unlike each other.

    distinctness  1 - mean cosine of two personas of one item; "between items" the same for personas of two items
    calls         answers of the annotator, each equal input once
    """
    rows = []
    for name, stage in stages.items():
        sizes = stage.personas.groupby("item").size()
        behind = stage.personas["evidence"].map(len)
        inside, between = distinctness(stage, cache=cache)
        rows.append({
            "data": name, "annotator": stage.annotator, "items": len(stage.summaries), "with personas": len(sizes),
            "reviews read": len(stage.interactions),
            "with aspects %": 100 * stage.interactions["aspects"].map(bool).mean(),
            "personas": len(stage.personas), "per item": sizes.mean(), "fewest": sizes.min(), "most": sizes.max(),
            "reviews behind one": behind.mean() if behind.any() else np.nan,
            "words": stage.personas["text"].str.split().str.len().mean(), "distinctness": inside,
            "between items": between, "calls": stage.calls,
        })  # fmt: skip
    return pd.DataFrame(rows)


def distinctness(offline: Offline, *, cache=None) -> tuple[float, float]:
    """1 - mean cosine of two personas: (of the same item, of different items), over at most COMPARED items."""
    chosen = spread(offline.personas["item"].unique().tolist(), COMPARED)
    personas = offline.personas[offline.personas["item"].isin(chosen)]
    vectors = encode(personas["text"].tolist(), cache=cache)
    codes, sizes = np.unique(personas["item"], return_counts=True)
    if not len(codes):
        return float("nan"), float("nan")
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    own = float(
        (np.linalg.norm(np.add.reduceat(vectors, start, axis=0), axis=1) ** 2).sum()
    )  # sums of all cosines
    everything = float(np.linalg.norm(vectors.sum(0)) ** 2)
    n, pairs = len(vectors), float((sizes**2).sum())
    inside = 1 - (own - n) / (pairs - n) if pairs > n else float("nan")
    between = 1 - (everything - own) / (n**2 - pairs) if n**2 > pairs else float("nan")
    return inside, between


def label_statistics(aligned: Mapping[str, tuple[Offline, pd.DataFrame]]) -> pd.DataFrame:
    """One row per named (offline stage, pairs of `align`): how many answers gave a label, and do labels vary?

    left out         no answer, or one whose reasoning argues for another persona
    first persona %  pairs labelled with persona 1; by chance % is what a judge without preference would give
    """
    rows = []
    for name, (offline, pairs) in aligned.items():
        counts = offline.personas.groupby("item").size()
        options = pairs["item"].map(counts).to_numpy()
        rows.append({
            "data": name, "annotator": offline.annotator, "asked": pairs.attrs["asked"], "labels": len(pairs),
            "left out": pairs.attrs["lost"],
            "first persona %": 100 * (pairs["persona"] == 1).mean(), "by chance %": 100 * (1 / options).mean(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def spread(values: Sequence, most: int) -> list:
    """At most `most` of the values, evenly spread, in their order."""
    return [
        values[i]
        for i in sorted({round(i) for i in np.linspace(0, len(values) - 1, min(len(values), most))})
    ]


def statistics_beside(numbers: pd.DataFrame) -> pd.DataFrame:
    """The paper's data sets above ours (Table 3).

    numbers  from `reprolib.data.statistics.statistics`, one row per data set and domain
    """
    theirs = published("statistics").query("paper == 'PERSONA4REC'")
    theirs = theirs.assign(data="paper, " + theirs["dataset"])
    ours = numbers.rename(columns={"data set": "data"})
    columns = ["data", "domain", "users", "items", "interactions", "average length"]
    return pd.concat([theirs, ours], ignore_index=True)[columns]


def published_samples(folder: Path | None, names: Sequence[str]) -> dict[str, released.Released]:
    """{"published, amazon": sample, ...} of the authors' files.

    folder  from `agreement.sample_folder`; None where the files are absent, which gives {}
    names   parts of the sample: amazon, yelp
    """
    if folder is None:
        return {}
    return {f"published, {name}": released.read_sample(folder.parent, name) for name in names}


def sample_origin(name: str) -> Origin:
    """The origin of a part of the published sample, which has no split and so no digest."""
    return Origin(((f"persona4rec-sample, {name}", 0),), annotators=(released.ANNOTATOR,))


def encoder_origin(encoder: PersonaEncoder | HeadEncoder) -> Origin:
    """What an encoder adds to the origin of the texts that it reads."""
    return Origin(encoders=(encoder.encoder.name,))


def tuning_origin(encoder: PersonaEncoder | HeadEncoder, seed: int) -> Origin:
    """What an encoder that was tuned with a seed adds to the origin of the texts that it reads."""
    return encoder_origin(encoder) | Origin(seeds=(seed,))


def synthetic_origin(items: int) -> Origin:
    """The origin of a measurement on a synthetic catalogue of so many items: no data, no users."""
    return Origin(((f"synthetic, {items:,} items", 0),))


def held_out_pairs(pairs: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(four fifths, one fifth) of the pairs, drawn with the seed: what is trained on, and what says when to stop."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    cut = len(pairs) - len(pairs) // 5
    return tuple(
        pairs.iloc[np.sort(part)].reset_index(drop=True) for part in np.split(order, [cut])
    )


def training_sentence(head: HeadEncoder, batch_size: int) -> str:
    """How the training of a head ended, in numbers."""
    first, last = head.losses[0], min(head.losses)
    training = head.training
    guess = np.log(batch_size)
    return (
        f"The loss went from {first:.2f} to {last:.2f} (a random guess: {guess:.2f}) in {training.steps} steps.\n"
        f"Validation was best after epoch {training.best_look} of {training.looks}; "
        f"training ended by {training.ended}."
    )
