"""Explanations (XRec-style), and pairwise judging of explanations and personas (PERSONA4REC, tables 8 and 9)."""

from typing import Literal

import numpy as np

from reprolib.llm.checks import empty, too_long
from reprolib.llm.embedded import DIGITS, Annotator, sentences, words
from reprolib.llm.items import Event, numbered
from reprolib.llm.task import Given, Record, Task, block, form

EXPLANATION_CRITERIA = {
    "intuitiveness": "easy to follow at first reading",
    "relatability": "speaks to this user's own situation and tastes",
    "consistency": "agrees with the user's history and with the item",
    "persuasiveness": "makes the user want to try the item",
    "specificity": "names concrete features instead of general praise",
}
PERSONA_CRITERIA = {
    "faithfulness": "everything it says is supported by the reviews",
    "clarity": "says plainly who is meant",
    "coverage": "takes up what the reviews talk about",
    "interpretability": "lets one see why such a person chooses the item",
    "representativeness": "stands for a real share of the people who reviewed the item",
}
CRITERIA = EXPLANATION_CRITERIA | PERSONA_CRITERIA


class ToExplain(Given):
    """A user's history and the item that was recommended; `persona` where a persona made the match."""

    history: tuple[Event, ...]
    item: str
    item_summary: str
    persona: str = ""


class Explanation(Record):
    """Why this user should like this item."""

    explanation: str


class Pair(Given):
    """Two texts to be compared on one criterion, in the light of the evidence."""

    criterion: Literal[tuple(CRITERIA)]
    context: str
    evidence: tuple[str, ...]
    a: str
    b: str


class Verdict(Record):
    """Which text is better on the criterion. Ask both orders: judges favour a position."""

    winner: Literal["A", "B", "tie"]
    reason: str


def _explain_prompt(given: ToExplain) -> str:
    events = numbered(
        (f"{'Liked' if e.liked else 'Disliked'}: {e.text(300)}" for e in given.history[-10:]), 340
    )
    persona = block("persona", given.persona, 600) + "\n" if given.persona else ""
    return (
        "Explain to a user in at most 60 words why the item suits them: start from what they liked, name a concrete "
        'feature of the item, address them as "you". Invent nothing.\n\n'
        f"{block('history', events, 4000)}\n{block('item', f'{given.item}. {given.item_summary}', 1200)}\n{persona}\n"
        f"{form(Explanation, {'explanation': '...'})}"
    )


def _check_explanation(given: ToExplain, output: Explanation) -> list[str]:
    return empty("explanation", output.explanation) + too_long(
        "explanation", output.explanation, 90
    )


def _explain_rule(given: ToExplain, tools: Annotator) -> Explanation:
    """The liked event nearest to the item, and the sentence of the summary nearest to that event."""
    liked = [e for e in given.history if e.liked] or list(given.history)
    if not liked:
        return Explanation(
            explanation=f"You may like {given.item}: {words(given.item_summary, 30)}"
        )
    near = tools.similarity([given.item_summary or given.item], [e.text() for e in liked])[0]
    best = liked[int(near.argmax())]
    found = sentences(given.item_summary) or (given.item,)
    feature = found[int(tools.similarity(found, [best.text()])[:, 0].argmax())]
    who = f" It suits you if this is you: {words(given.persona, 12)}" if given.persona else ""
    return Explanation(
        explanation=words(
            f"You liked {words(best.title, 10)}. {given.item} is close to it: {words(feature, 30)}{who}",
            80,
        )
    )


def _compare_prompt(given: Pair) -> str:
    rule = f"{given.criterion}: {CRITERIA[given.criterion]}"
    return (
        f"Two texts, A and B, were written for the same case. Decide which is better on one criterion only, {rule}. "
        "Say tie when neither is. Length is no merit, and the order of the texts means nothing.\n\n"
        f"{block('case', given.context, 1200)}\n{block('evidence', numbered(given.evidence, 240, 40), 8000)}\n"
        f"{block('A', given.a, 2000)}\n{block('B', given.b, 2000)}\n\n{form(Verdict, {'winner': 'A', 'reason': '...'})}"
    )


def _compare_rule(given: Pair, tools: Annotator) -> Verdict:
    """Similarity-based judging: each criterion is one measure of text against evidence; see `measures`."""
    a, b = (
        measures(text, given.context, given.evidence, tools)[given.criterion]
        for text in (given.a, given.b)
    )
    winner = "tie" if abs(a - b) < 0.01 else "A" if a > b else "B"
    return Verdict(
        winner=winner,
        reason=f"{given.criterion}: A {a:.3f}, B {b:.3f}, by similarity to the evidence.",
    )


def measures(
    text: str, context: str, evidence: tuple[str, ...], tools: Annotator
) -> dict[str, float]:
    """One number per criterion, larger is better. Proxies: they measure closeness to the evidence, not quality."""
    said = list(sentences(text)) or [text or "nothing"]
    proof = list(evidence) or [context]
    near = tools.similarity(said, proof)
    to_case = tools.similarity(said, [context])[:, 0]
    supported = float(near.max(1).mean())
    covered = float(near.max(0).mean())
    mean = tools.embed(proof).mean(0)
    typical = float(np.round(tools.embed([text])[0] @ (mean / np.linalg.norm(mean)), DIGITS))
    plain = 1 / (
        1 + abs(np.mean([len(s.split()) for s in said]) - 14) / 14
    )  # sentences of about 14 words read best
    content = [
        w for w in text.split() if w[:1].isupper() or any(c.isdigit() for c in w) or len(w) > 8
    ]
    specific = len(set(content)) / max(len(text.split()), 1)
    return {
        "intuitiveness": float(plain),
        "relatability": float(near.mean()),
        "consistency": (supported + float(to_case.max())) / 2,
        "persuasiveness": float(to_case.mean()),
        "specificity": specific,
        "faithfulness": supported,
        "clarity": float(plain),
        "coverage": covered,
        "interpretability": float(to_case.max()),
        "representativeness": typical,
    }


EXPLANATION = Task(
    name="persona4rec/explanation",
    version=1,
    about="why an item suits a user",
    input=ToExplain,
    output=Explanation,
    prompt=_explain_prompt,
    check=_check_explanation,
    rule=_explain_rule,
    max_tokens=200,
    reads=lambda g: (
        [e.text() for e in g.history] + [g.item_summary or g.item, *sentences(g.item_summary)]
    ),
)
COMPARISON = Task(
    name="persona4rec/comparison",
    version=1,
    about="which of two texts is better on one criterion",
    input=Pair,
    output=Verdict,
    prompt=_compare_prompt,
    rule=_compare_rule,
    max_tokens=200,
    reads=lambda g: [*g.evidence, g.context, g.a, g.b, *sentences(g.a), *sentences(g.b)],
)
TASKS = (
    EXPLANATION,
    COMPARISON,
)
