"""SPHERE: a shared behavioural vocabulary of bipolar traits, and a user persona written in it."""

import numpy as np
from pydantic import Field

from reprolib.llm.checks import banned_in, empty, repeated, too_long, unknown, without_sentences
from reprolib.llm.embedded import DIGITS, DISPLEASED, PLEASED, Annotator, listed, sentences
from reprolib.llm.items import Event, numbered
from reprolib.llm.task import Given, Record, Task, block, form
from reprolib.llm.trait_bank import BANK

# Words for the medium itself; a persona that uses one tells the platform apart and does not transfer.
MEDIUM_WORDS = (
    "book",
    "novel",
    "reader",
    "author",
    "chapter",
    "paperback",
    "game",
    "gamer",
    "gameplay",
    "player",
    "movie",
    "film",
    "viewer",
    "director",
    "actor",
    "song",
    "album",
    "listener",
    "restaurant",
    "diner",
    "recipe",
    "kitchen",
    "product",
    "item",
    "title",
    "series",
    "franchise",
    "studio",
    "publisher",
)
MOST_HISTORIES = 200
MOST_WORDS = 80
SOFT = 0.06  # cosine that multiplies a sentence's vote for a pole by e
SHARP = 4.0  # how fast a score nears -1 or 1


class Trait(Record):
    """One axis of behaviour with two named ends."""

    id: str
    name: str
    low_pole: str
    high_pole: str
    definition: str
    evidence_domains: list[str] = Field(default_factory=list)


class Vocabulary(Record):
    """The traits that both domains share."""

    vocabulary: list[Trait]


class Histories(Given):
    """Sampled histories of two domains; each history is a list of texts about what one user did."""

    source: str
    target: str
    source_histories: tuple[tuple[str, ...], ...]
    target_histories: tuple[tuple[str, ...], ...]
    n_traits: int = Field(10, ge=2, le=len(BANK))


class TraitScore(Record):
    """Where a user stands on one trait: -1 is the low pole, 1 the high pole."""

    id: str
    score: float = Field(ge=-1, le=1)
    confidence: float = Field(ge=0, le=1)
    rationale: str = ""


class Persona(Record):
    """A user in the shared vocabulary."""

    traits: list[TraitScore]
    summary: str

    def text(self) -> str:
        """The persona as one text, for encoding."""
        return " ".join([self.summary, *(t.rationale for t in self.traits if t.rationale)])


class UserHistory(Given):
    """One user's training events, the vocabulary, words that may not be used, and typical events of other users."""

    vocabulary: tuple[Trait, ...]
    history: tuple[Event, ...] = Field(min_length=1)
    banned: tuple[str, ...] = MEDIUM_WORDS
    typical: tuple[str, ...] = ()

    def terms(self) -> list[str]:
        """Everything that the persona may not name: the given words, and the titles and creators of the history."""
        return [
            *self.banned,
            *(e.title for e in self.history),
            *(e.creator for e in self.history if e.creator),
        ]


def _vocabulary_prompt(given: Histories) -> str:
    def told(histories):
        return numbered((" | ".join(h) for h in histories[:MOST_HISTORIES]), 240, MOST_HISTORIES)

    example = {
        "vocabulary": [
            {
                "id": "t01",
                "name": "novelty",
                "low_pole": "...",
                "high_pole": "...",
                "definition": "...",
                "evidence_domains": [given.source, given.target],
            }
        ]
    }
    return (
        f"Below are histories of people in two domains, {given.source} and {given.target}. Nobody is in both.\n"
        f"Find exactly {given.n_traits} behavioural traits that describe people in either domain. Each trait is an "
        f"axis "
        "with two opposite ends. Describe how people choose and what they look for, never what kind of thing they "
        "choose: no genre, no medium, no title. Take only traits that show in both domains, and let no two overlap.\n\n"
        f"{block('source_histories', told(given.source_histories), 24000)}\n"
        f"{block('target_histories', told(given.target_histories), 24000)}\n\n{form(Vocabulary, example)}"
    )


def _check_vocabulary(given: Histories, output: Vocabulary) -> list[str]:
    traits = output.vocabulary
    problems = (
        []
        if len(traits) == given.n_traits
        else [f"{len(traits)} traits instead of {given.n_traits}"]
    )
    problems += repeated("id", [t.id for t in traits]) + repeated("trait", [t.name for t in traits])
    problems += [
        f"the two poles of {t.id} are the same"
        for t in traits
        if t.low_pole.casefold() == t.high_pole.casefold()
    ]
    used = banned_in(
        ". ".join(f"{t.name}. {t.low_pole}. {t.high_pole}" for t in traits), MEDIUM_WORDS
    )
    problems += [f"the traits name the medium ({', '.join(used)})"] if used else []
    return problems + unknown(
        "domain", (d for t in traits for d in t.evidence_domains), (given.source, given.target)
    )


def _vocabulary_rule(given: Histories, tools: Annotator) -> Vocabulary:
    """Of a fixed bank of axes, those on which both domains spread people most, unlike each other."""
    sides = [
        _projections([" ".join(h)[:400] for h in side], tools)
        for side in (given.source_histories, given.target_histories)
    ]
    spread = np.minimum(*(side.std(0) for side in sides))
    both = np.concatenate([side - side.mean(0) for side in sides])
    length = np.linalg.norm(both, axis=0)
    unlike = np.abs(both.T @ both / np.maximum(np.outer(length, length), 1e-9))
    taken: list[int] = []
    while len(taken) < given.n_traits:
        gain = np.round(
            spread / max(spread.max(), 1e-9) - (unlike[:, taken].max(1) if taken else 0), DIGITS
        )
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
    traits = [
        Trait(id=f"t{n:02d}", evidence_domains=[given.source, given.target], **BANK[i])
        for n, i in enumerate(taken, start=1)
    ]
    return Vocabulary(vocabulary=traits)


def _projections(texts: list[str], tools: Annotator) -> np.ndarray:
    poles = [t["low_pole"] for t in BANK] + [t["high_pole"] for t in BANK]
    both = tools.similarity(texts, poles)
    return both[:, len(BANK) :] - both[:, : len(BANK)]


def _persona_prompt(given: UserHistory) -> str:
    axes = "\n".join(
        f"{t.id} {t.name}: -1 = {t.low_pole}; 1 = {t.high_pole}" for t in given.vocabulary
    )
    events = numbered(
        (
            f"{e.text(300)} (rated {e.rating:g})" if e.rating is not None else e.text(300)
            for e in given.history[-50:]
        ),
        340,
        50,
    )
    example = {
        "traits": [{"id": "t01", "score": 0.4, "confidence": 0.7, "rationale": "..."}],
        "summary": "...",
    }
    typical = (
        block("typical_events", numbered(given.typical, 160, 20), 4000) + "\n"
        if given.typical
        else ""
    )
    return (
        "Describe this person by the traits below so that somebody who knows another domain altogether can use it. For "
        "every trait give a score from -1 to 1 relative to an average person, your confidence from 0 to 1, and one "
        f"sentence of reason. Then give a summary of at most {MOST_WORDS} words. Never name a title, a creator, or the "
        f"medium; these words are forbidden: {', '.join(given.banned[:60])}.\n\n"
        f"{block('traits', axes, 6000)}\n{typical}{block('history', events, 18000)}\n\n{form(Persona, example)}"
    )


def _check_persona(given: UserHistory, output: Persona) -> list[str]:
    ids = [t.id for t in output.traits]
    missing = [t.id for t in given.vocabulary if t.id not in ids]
    problems = [f"traits {', '.join(missing[:5])} are missing"] if missing else []
    problems += repeated("trait", ids) + unknown("trait", ids, (t.id for t in given.vocabulary))
    problems += empty("summary", output.summary) + too_long("summary", output.summary, MOST_WORDS)
    used = banned_in(output.text(), given.terms())
    return problems + ([f"these words are forbidden: {', '.join(used[:8])}"] if used else [])


def _repair_persona(given: UserHistory, output: Persona) -> Persona | None:
    """Leave out the sentences that use a forbidden word."""
    terms = given.terms()
    traits = [
        t.model_copy(update={"rationale": without_sentences(t.rationale, terms)})
        for t in output.traits
    ]
    return Persona(traits=traits, summary=without_sentences(output.summary, terms))


def _persona_rule(given: UserHistory, tools: Annotator) -> Persona:
    """Every sentence shares one vote among the poles, by its nearness to each beyond that of typical events.

    A trait's score is the difference of its poles' votes. Plain praise and blame stand in for typical events.
    """
    poles = _poles(given)
    near = tools.similarity(_told(given), poles)
    vote = np.exp((near - tools.similarity(_typical(given), poles).mean(0)) / SOFT)
    vote /= vote.sum(1, keepdims=True)
    lean = vote[:, 1::2] - vote[:, ::2]
    score = np.round(np.tanh(SHARP * len(given.vocabulary) * lean.mean(0)), 2)
    agree = np.round((np.sign(lean) == np.sign(score)).mean(0), 2)
    traits = [
        TraitScore(id=t.id, score=float(s), confidence=float(c), rationale=_reason(t, float(s)))
        for t, s, c in zip(given.vocabulary, score, agree, strict=True)
    ]
    strongest = sorted(range(len(traits)), key=lambda i: -abs(score[i]))[:4]
    told = listed(_lean(given.vocabulary[i], float(score[i])) for i in strongest)
    return Persona(traits=traits, summary=f"This person {told}."[:600])


def _told(given: UserHistory) -> list[str]:
    """The sentences of reviews and summaries; titles only where nothing else is known."""
    parts = [s for e in given.history for s in sentences(f"{e.review}\n{e.summary}", 8)]
    return parts or [e.title for e in given.history]


def _typical(given: UserHistory) -> list[str]:
    return [s for text in given.typical for s in sentences(text, 8)] or [*PLEASED, *DISPLEASED]


def _poles(given: UserHistory) -> list[str]:
    return [pole for t in given.vocabulary for pole in (t.low_pole, t.high_pole)]


def _lean(trait: Trait, score: float) -> str:
    degree = "clearly" if abs(score) >= 0.6 else "rather" if abs(score) >= 0.25 else "slightly"
    return f"{degree} {trait.high_pole if score >= 0 else trait.low_pole}"


def _reason(trait: Trait, score: float) -> str:
    return f"On {trait.name}, this person {_lean(trait, score)}."


VOCABULARY = Task(
    name="sphere/vocabulary",
    version=1,
    about="bipolar traits that two domains share",
    input=Histories,
    output=Vocabulary,
    prompt=_vocabulary_prompt,
    check=_check_vocabulary,
    rule=_vocabulary_rule,
    max_tokens=3000,
    reads=lambda g: [" ".join(h)[:400] for h in (*g.source_histories, *g.target_histories)],
)
PERSONA = Task(
    name="sphere/persona",
    version=1,
    about="a user's persona over the shared traits",
    input=UserHistory,
    output=Persona,
    prompt=_persona_prompt,
    check=_check_persona,
    repair=_repair_persona,
    rule=_persona_rule,
    reads=lambda g: _told(g) + _typical(g) + _poles(g),
    max_tokens=1500,
)
TASKS = (
    VOCABULARY,
    PERSONA,
)
