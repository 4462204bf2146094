"""Vocabulary and personas of two disjoint domains, as vectors. No prompt stands here (see tasks.py)."""

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset
from reprolib.data.origin import Origin
from reprolib.data.split import leave_one_out
from reprolib.llm import complete, complete_many, open_llm
from reprolib.llm.inputs import EVENTS, items_by_code
from reprolib.llm.items import Event
from reprolib.papers.sphere.tasks import MOST_HISTORIES, PERSONA, VOCABULARY, Persona, Trait
from reprolib.text import encode, load_encoder

TYPICAL = 20  # events of the domain that a persona is measured against


@dataclass(frozen=True)
class DomainPersonas:
    """Personas of one domain's users.

    users    (n,) raw user ids
    texts    n Persona; only users whose persona passed every check
    vectors  (n, d_s) float32, rows as `users`
    lost     users without a persona, and why
    """

    users: np.ndarray
    texts: list[Persona]
    vectors: np.ndarray
    lost: dict[str, str]


@dataclass(frozen=True)
class Personas:
    """What crosses the border, and what it is compared with.

    vocabulary      traits that both domains share
    source, target  personas of either domain
    items           (n_items + 1, d_s) vectors of the items' own texts, by item code; row 0 is padding
    """

    vocabulary: list[Trait]
    source: DomainPersonas
    target: DomainPersonas
    items: np.ndarray
    origin: Origin


@functools.lru_cache(maxsize=4)
def personas_of(
    dataset: Dataset, annotator: str = "embedded", n_traits: int = 10, encoder: str = "minilm"
) -> Personas:
    """Vocabulary, personas and vectors of a pair of disjoint domains, kept in memory.

    annotator, encoder  names for `open_llm` and `load_encoder`
    n_traits            traits of the vocabulary (our reading: the number is not published)
    Only training events are read: of the source, too, every user's last two events stay unread. Source users have no
    target events, so their events may be later in calendar time than what is predicted.
    Raises DataError where the domains share users.
    """
    check_disjoint(dataset)
    llm = open_llm(annotator)
    split = dataset.split
    source_split = leave_one_out(dataset.corpus, split.source)
    source_histories = histories(Dataset(source_split, dataset.corpus))
    target_histories = histories(dataset)
    question = {
        "source": split.source,
        "target": split.target,
        "source_histories": _sample(source_histories),
        "target_histories": _sample(target_histories),
        "n_traits": n_traits,
    }
    vocabulary = complete(VOCABULARY, question, llm).vocabulary
    source = _describe(source_histories, vocabulary, llm, encoder)
    target = _describe(target_histories, vocabulary, llm, encoder)
    items = encode(
        ["", *(item.text() for item in items_by_code(dataset).values())], encoder, progress=False
    )
    items[0] = 0
    described_by = Origin(annotators=(llm.label,), encoders=(load_encoder(encoder).name,))
    return Personas(vocabulary, source, target, items, dataset.origin | described_by)


def check_disjoint(dataset: Dataset) -> None:
    """Raise DataError where there is not exactly one source, or where a user has events in both domains."""
    split = dataset.split
    if len(split.sources) != 1:
        raise DataError(
            f"{split.name} has {len(split.sources)} source domains; SPHERE needs one, "
            "for example games->books"
        )
    in_both = (np.diff(split.ptr) > 0) & (np.diff(split.src_ptr) > 0)
    if in_both.any():
        raise DataError(
            f"{split.name}: {in_both.sum():,} users have events in {split.source} and in "
            f"{split.target}; SPHERE needs domains without shared users, for example two sets "
            'joined by "|"'
        )


def histories(dataset: Dataset) -> dict[str, tuple[Event, ...]]:
    """Each target user's latest training events by raw user id, the latest last."""
    items = items_by_code(dataset)
    by_user: dict[str, list[Event]] = {}
    for row in dataset.training_events.itertuples():
        item = items[row.item]
        rating = None if pd.isna(row.rating) else float(row.rating)
        event = Event(title=item.title, creator=item.creator, review=row.review, rating=rating)
        by_user.setdefault(str(dataset.split.users[row.user]), []).append(event)
    return {user: tuple(events[-EVENTS:]) for user, events in by_user.items()}


def _sample(by_user: dict[str, tuple[Event, ...]]) -> tuple[tuple[str, ...], ...]:
    """At most MOST_HISTORIES histories, spread evenly over users ordered by their number of events."""
    ordered = sorted(by_user, key=lambda user: (len(by_user[user]), user))
    count = min(MOST_HISTORIES, len(ordered))
    places = np.linspace(0, len(ordered) - 1, count).astype(int)
    return tuple(tuple(event.text() for event in by_user[ordered[place]]) for place in places)


def _describe(
    by_user: dict[str, tuple[Event, ...]], vocabulary: list[Trait], llm, encoder: str
) -> DomainPersonas:
    """Personas of the users, and their vectors. A user without a usable answer is counted, the others go on."""
    events = [event.text() for history in by_user.values() for event in history if event.review]
    typical = tuple(events[:: max(1, len(events) // TYPICAL)][:TYPICAL])
    questions = [
        {"vocabulary": tuple(vocabulary), "history": history, "typical": typical}
        for history in by_user.values()
    ]
    answers = complete_many(PERSONA, questions, llm, on_failure="return", progress=False)
    users = []
    texts = []
    lost = {}
    for user, answer in zip(by_user, answers, strict=True):
        if answer:
            users.append(user)
            texts.append(answer)
        else:
            lost[user] = answer.reason
    vectors = encode([text.text() for text in texts], encoder, progress=False)
    return DomainPersonas(np.array(users, dtype=object), texts, vectors, lost)
