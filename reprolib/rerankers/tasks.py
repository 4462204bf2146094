"""LLM rerankers: a listwise permutation, a pointwise yes/no likelihood, and rating by reasoning (EXP3RT)."""

import math
import re

import numpy as np
from pydantic import Field

from reprolib.llm.checks import empty, repeated, too_long
from reprolib.llm.embedded import DIGITS, Annotator, sentences, words
from reprolib.llm.items import Event, Item, LogProbs, numbered
from reprolib.llm.task import Given, Record, Task, Unusable, block, clip, form

MOST_CANDIDATES = 100
SHARPNESS = 8.0  # log-odds per unit of cosine, for the embedded likelihoods


class Candidates(Given):
    """A user's history, the latest last, and the candidates in first-stage order."""

    history: tuple[Event, ...] = Field(min_length=1)
    candidates: tuple[Item, ...] = Field(min_length=2, max_length=MOST_CANDIDATES)


class Ranking(Record):
    """Candidate numbers, best first; 1 is the first candidate given."""

    order: list[int]


class OneCandidate(Given):
    """A user's history and one candidate."""

    history: tuple[Event, ...] = Field(min_length=1)
    candidate: Item


class RatedReview(Given):
    """One review with its rating."""

    review: str
    title: str = ""
    rating: float | None = None


class Preferences(Record):
    """What the writer of a review liked and disliked."""

    likes: list[str] = Field(max_length=10)
    dislikes: list[str] = Field(max_length=10)


class UserItem(Given):
    """A user and an item as their training reviews show them; means are over training ratings only."""

    user_likes: tuple[str, ...] = ()
    user_dislikes: tuple[str, ...] = ()
    user_mean: float = Field(ge=1, le=5)
    item: Item
    item_likes: tuple[str, ...] = ()
    item_dislikes: tuple[str, ...] = ()
    item_mean: float = Field(ge=1, le=5)


class RatingReason(Record):
    """Step by step, how much the user would like the item, and the rating that follows."""

    reasoning: str
    rating: float = Field(ge=1, le=5)


class UserItemReason(UserItem):
    """The same, with the reasoning that was written before."""

    reasoning: str


def _history_block(history: tuple[Event, ...], most: int) -> str:
    told = (f"{'Liked' if e.liked else 'Disliked'}: {e.text(160)}" for e in history[-most:])
    return block("history", numbered(told, 200), 4000)


def _list_prompt(given: Candidates) -> str:
    n = len(given.candidates)
    told = "\n".join(
        f"[{i}] {clip(c.text(160), 240)}" for i, c in enumerate(given.candidates, start=1)
    )
    return (
        "Order the candidates by how likely this person takes each of them next, the most likely first. Use every "
        "number "
        f"from 1 to {n} exactly once. Answer with the bracketed numbers and nothing else, as in [2] > [1] > [3].\n\n"
        f"{_history_block(given.history, 20)}\n{block('candidates', told, 24000)}"
    )


def _parse_order(given: Candidates, text: str) -> dict:
    """Only numbers in brackets count: titles hold digits too."""
    found = [int(n) for n in re.findall(r"\[\s*(\d{1,4})\s*\]", text)]
    if not found:
        raise Unusable("the answer holds no bracketed number; answer as in [2] > [1] > [3]")
    return {"order": found}


def _check_order(given: Candidates, output: Ranking) -> list[str]:
    n = len(given.candidates)
    missing = sorted(set(range(1, n + 1)) - set(output.order))
    outside = sorted(set(output.order) - set(range(1, n + 1)))
    problems = [f"numbers {missing[:8]} are missing"] if missing else []
    problems += [f"numbers {outside[:8]} do not exist"] if outside else []
    return problems + repeated("number", output.order)


def _repair_order(given: Candidates, output: Ranking) -> Ranking | None:
    """Numbers that exist, once each, then those left out in first-stage order."""
    n = len(given.candidates)
    order = [i for i in dict.fromkeys(output.order) if 1 <= i <= n]
    return Ranking(order=order + [i for i in range(1, n + 1) if i not in order]) if order else None


def _taste(given, tools: Annotator, texts: list[str]) -> np.ndarray:
    """Closeness of texts to the recency-weighted liked events, less half of that to the disliked ones."""
    events = given.history[-20:]
    weight = 0.85 ** np.arange(len(events))[::-1] * np.array(
        [1.0 if e.liked else -0.5 for e in events]
    )
    near = tools.similarity(texts, [e.text(160) for e in events])
    return np.round(near @ weight / np.abs(weight).sum(), DIGITS)


def _list_rule(given: Candidates, tools: Annotator) -> Ranking:
    score = _taste(given, tools, [c.text(160) for c in given.candidates])
    return Ranking(order=[int(i) + 1 for i in np.argsort(-score, kind="stable")])


def _yes_prompt(given: OneCandidate) -> str:
    return (
        f"Would this person like the item? Answer Yes or No, one word.\n\n{_history_block(given.history, 10)}\n"
        f"{block('item', given.candidate.text(300), 500)}"
    )


def _yes_rule(given: OneCandidate, tools: Annotator) -> LogProbs:
    z = SHARPNESS * (float(_taste(given, tools, [given.candidate.text(160)])[0]) - 0.25)
    return LogProbs(log_probs={"Yes": -math.log1p(math.exp(-z)), "No": -math.log1p(math.exp(z))})


def _preferences_prompt(given: RatedReview) -> str:
    rated = f"Rating: {given.rating:g} of 5. " if given.rating is not None else ""
    return (
        f"{rated}List what the writer of this review liked and what they disliked, each point in at most 15 words, "
        f"at most "
        "10 points each, empty lists where nothing is said.\n\n"
        f"{block('review', f'{given.title}. {given.review}'.strip('. '), 6000)}\n\n"
        f"{form(Preferences, {'likes': ['...'], 'dislikes': []})}"
    )


def _check_preferences(given: RatedReview, output: Preferences) -> list[str]:
    points = output.likes + output.dislikes
    return repeated("point", points) + [
        p for point in points for p in too_long("a point", point, 30)
    ]


def _preferences_rule(given: RatedReview, tools: Annotator) -> Preferences:
    """Sentences by polarity; a rating far from 3 settles the doubtful ones."""
    found = list(dict.fromkeys(words(s, 24) for s in sentences(given.review, 20)))
    lean = tools.polarity(found) + (0.05 * (given.rating - 3) if given.rating is not None else 0)
    likes = [s for s, x in zip(found, lean, strict=True) if x > 0.03]
    return Preferences(
        likes=likes[:10], dislikes=[s for s, x in zip(found, lean, strict=True) if x < -0.03][:10]
    )


def _profile(given: UserItem) -> str:
    def told(points):
        return numbered(points, 160, 15) or "none known"

    return (
        f"{block('user_likes', told(given.user_likes), 2500)}\n"
        f"{block('user_dislikes', told(given.user_dislikes), 2500)}\n"
        f"The user's mean rating is {given.user_mean:.2f}.\n{block('item', given.item.text(400), 700)}\n"
        f"{block('item_liked_for', told(given.item_likes), 2500)}\n"
        f"{block('item_disliked_for', told(given.item_dislikes), 2500)}\nThe item's mean rating is "
        f"{given.item_mean:.2f}."
    )


def _reason_prompt(given: UserItem) -> str:
    return (
        "Reason step by step, in at most 120 words, how much this user will like this item, then give the rating "
        "from 1 to "
        f"5.\n\n{_profile(given)}\n\n{form(RatingReason, {'reasoning': '...', 'rating': 4})}"
    )


def _check_reason(given: UserItem, output: RatingReason) -> list[str]:
    return empty("reasoning", output.reasoning) + too_long("reasoning", output.reasoning, 200)


def _fit(given: UserItem, tools: Annotator) -> tuple[float, str]:
    """Expected rating and its ground: the two means, moved by how near the item is to likes and dislikes."""
    about = [given.item.text(400), *given.item_likes]

    def near(points):
        return float(tools.similarity(points, about).max(1).mean()) if points else 0.0

    liked, disliked = near(given.user_likes), near(given.user_dislikes)
    mean = 0.5 * given.user_mean + 0.5 * given.item_mean
    rating = round(
        min(5.0, max(1.0, mean + 2.0 * (liked - disliked) * (1 if given.user_likes else 0.5))), 2
    )
    return rating, (
        f"The usual ratings are {given.user_mean:.2f} for the user and {given.item_mean:.2f} for the item. "
        f"Nearness to what the user likes is {liked:.2f}, to what the user dislikes {disliked:.2f}."
    )


def _reason_rule(given: UserItem, tools: Annotator) -> RatingReason:
    rating, ground = _fit(given, tools)
    return RatingReason(reasoning=ground, rating=rating)


def _rating_prompt(given: UserItemReason) -> str:
    return (
        f"{_profile(given)}\n{block('reasoning', given.reasoning, 2000)}\n\n"
        "Which rating follows, 1, 2, 3, 4 or 5? Answer with one digit."
    )


def _rating_rule(given: UserItemReason, tools: Annotator) -> LogProbs:
    rating, _ = _fit(given, tools)
    return LogProbs(log_probs={str(r): -((r - rating) ** 2) for r in range(1, 6)})


def _user_item_reads(given: UserItem) -> list[str]:
    return [given.item.text(400), *given.item_likes, *given.user_likes, *given.user_dislikes]


LISTWISE = Task(
    name="rerank/listwise",
    version=1,
    about="an order of all candidates",
    input=Candidates,
    output=Ranking,
    prompt=_list_prompt,
    parse=_parse_order,
    check=_check_order,
    repair=_repair_order,
    rule=_list_rule,
    max_tokens=700,
    reads=lambda g: [e.text(160) for e in g.history[-20:]] + [c.text(160) for c in g.candidates],
)
POINTWISE = Task(
    name="rerank/pointwise",
    version=1,
    about="how likely a user likes one item",
    input=OneCandidate,
    output=LogProbs,
    prompt=_yes_prompt,
    choices=("Yes", "No"),
    rule=_yes_rule,
    max_tokens=1,
    reads=lambda g: [e.text(160) for e in g.history[-20:]] + [g.candidate.text(160)],
)
PREFERENCES = Task(
    name="rerank/preferences",
    version=1,
    about="likes and dislikes in one review",
    input=RatedReview,
    output=Preferences,
    prompt=_preferences_prompt,
    check=_check_preferences,
    rule=_preferences_rule,
    max_tokens=500,
    reads=lambda g: [words(s, 24) for s in sentences(g.review, 20)],
)
REASONING = Task(
    name="rerank/reasoning",
    version=1,
    about="a rating, reasoned step by step",
    input=UserItem,
    output=RatingReason,
    prompt=_reason_prompt,
    check=_check_reason,
    rule=_reason_rule,
    reads=_user_item_reads,
    max_tokens=512,
)
RATING = Task(
    name="rerank/rating",
    version=1,
    about="how likely each rating is, after the reasoning",
    input=UserItemReason,
    output=LogProbs,
    prompt=_rating_prompt,
    choices=("1", "2", "3", "4", "5"),
    rule=_rating_rule,
    max_tokens=1,
    reads=_user_item_reads,
)
TASKS = (
    LISTWISE,
    POINTWISE,
    PREFERENCES,
    REASONING,
    RATING,
)
