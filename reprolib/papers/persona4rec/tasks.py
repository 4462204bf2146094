"""PERSONA4REC: item summaries, review aspects, item personas, and the choice of a persona for a user."""

from reprolib.llm.checks import empty, overlap, repeated, too_long, unknown
from reprolib.llm.items import item_block, numbered
from reprolib.llm.task import Task, block, clip, form
from reprolib.papers.persona4rec import embedded_rules as rules
from reprolib.papers.persona4rec.task_types import (
    ItemPersona,
    ItemPersonas,
    ItemReviews,
    ItemToSummarise,
    ProductAspects,
    RestaurantAspects,
    Review,
    Selection,
    Summary,
    UserAndItem,
    _Aspects,
)

MOST_PERSONAS = 7
ALIKE = 0.8  # word overlap of two descriptions above which they count as one persona


def _summary_prompt(given: ItemToSummarise) -> str:
    if given.kind == "restaurant":
        facts = "\n".join(f"{k}: {clip(v, 200)}" for k, v in given.attributes[:60])
        ask = (
            "Write one paragraph that states every attribute given for this place, positive and negative, in full "
            "sentences. Leave nothing out, add nothing, contradict nothing."
        )
        told = f"{item_block(given.item)}\n{block('attributes', facts, 5000)}"
        return f"{ask}\n\n{told}\n\n{form(Summary, {'summary': '...'})}"
    return (
        "Summarise this product in two or three neutral sentences: subject, kind, themes, tone. Ignore quotations "
        "from the "
        "press, copyright notes, edition details, other titles and names of reviewers.\n\n"
        f"{item_block(given.item)}\n\n{form(Summary, {'summary': '...'})}"
    )


def _check_summary(given: ItemToSummarise, output: Summary) -> list[str]:
    most = 250 if given.kind == "restaurant" else 110
    return empty("summary", output.summary) + too_long("summary", output.summary, most)


_PRODUCT_SLOTS = """category_preference: the kinds or genres of product the writer likes
purchase_purpose: why it was chosen, before it was used
quality_criteria: what the writer judged it by, with (positive) or (negative)
usage_context: how, where, when or with whom it was used"""
_RESTAURANT_SLOTS = """cuisine_category: the cuisine
specific_dishes_or_attributes: dishes or features that are named, with the judgement on each
visit_purpose: why the writer came, before the visit
quality_criteria: what the writer judged by, praise and blame, as full sentences
visit_context: when, with whom and under what circumstances"""


def _aspects_prompt(slots: str, output: type[_Aspects]):
    example = dict.fromkeys(output.model_fields)

    def prompt(given: Review) -> str:
        return (
            "Read one review and fill the slots below with what it says about the person who wrote it. Use null "
            "where the "
            "review gives no clear evidence; infer nothing that is not said; say nothing twice: a reason from before "
            "belongs to the purpose, a circumstance to the context. Each *_reason is one sentence that points to the "
            f"words of the "
            f"review.\n\n{slots}\n\n{block('review', f'{given.title}. {given.review}'.strip('. '), 6000)}\n\n"
            f"{form(output, example)}"
        )

    return prompt


def _check_aspects(given: Review, output: _Aspects) -> list[str]:
    filled = output.filled()
    problems = repeated("slot value", filled.values())
    for slot, value in filled.items():
        problems += too_long(slot, value, 80)
    return problems


def _personas_prompt(given: ItemReviews) -> str:
    told = "\n".join(
        f"Review {r.id}: " + "; ".join(f"{k}: {clip(v, 200)}" for k, v in r.aspects.items())
        for r in given.reviews[:150]
    )
    ask = (
        "exactly one persona"
        if len(given.reviews) == 1
        else f"between 2 and {MOST_PERSONAS} personas"
    )
    example = {
        "personas": [
            {
                "id": "P1",
                "name": "Two Or Three Words",
                "description": "...",
                "preference_rationale": "...",
                "evidence": [given.reviews[0].id],
            }
        ]
    }
    return (
        f"From the review aspects below, describe {ask}: kinds of people who choose this item. Ids run P1, P2, ... The "
        "name is two to four specific words. The description has three sentences in the present tense about motives "
        "and "
        "criteria. The preference_rationale is one sentence that cites something a review says and why it appeals to "
        "this persona. evidence lists the numbers of the reviews behind it. Keep critical and minority views as "
        "personas "
        "of their own, and let no two personas say the same. The summary is context only.\n\n"
        f"{block('summary', f'{given.title}. {given.summary}', 1200)}\n{block('aspects', told, 20000)}\n\n"
        f"{form(ItemPersonas, example)}"
    )


def _check_personas(given: ItemReviews, output: ItemPersonas) -> list[str]:
    found, known = output.personas, {r.id for r in given.reviews}
    least, most = (1, 1) if len(given.reviews) == 1 else (2, MOST_PERSONAS)
    problems = (
        []
        if least <= len(found) <= most
        else [f"{len(found)} personas, allowed are {least} to {most}"]
    )
    problems += repeated("id", [p.id for p in found]) + repeated(
        "persona name", [p.name for p in found]
    )
    for n, p in enumerate(found):
        problems += empty(f"description of {p.id}", p.description) + unknown(
            f"review of {p.id}", p.evidence, known
        )
        problems += [] if p.evidence else [f"{p.id} names no review as evidence"]
        problems += [
            f"{p.id} and {q.id} say the same"
            for q in found[:n]
            if overlap(p.description, q.description) >= ALIKE
        ]
    return problems


def _repair_personas(given: ItemReviews, output: ItemPersonas) -> ItemPersonas | None:
    """Leave out evidence that does not exist, personas without any, and personas that repeat an earlier one."""
    known, kept = {r.id for r in given.reviews}, []
    for p in output.personas:
        p = p.model_copy(update={"evidence": [e for e in dict.fromkeys(p.evidence) if e in known]})
        new = all(
            overlap(p.description, q.description) < ALIKE and p.name.casefold() != q.name.casefold()
            for q in kept
        )
        if p.evidence and p.description and new:
            kept.append(p)
    most = 1 if len(given.reviews) == 1 else MOST_PERSONAS
    return ItemPersonas(
        personas=[p.model_copy(update={"id": f"P{n}"}) for n, p in enumerate(kept[:most], start=1)]
    )


def _selection_prompt(given: UserAndItem) -> str:
    events = numbered(
        (f"{'Liked' if e.liked else 'Disliked'}: {e.text(400)}" for e in given.history[-6:]), 440
    )
    options = "\n".join(f"{p.id}: {clip(p.text(), 500)}" for p in given.personas)
    return (
        "A person did what the history tells, the latest last, and then chose the item below. First infer from what "
        "was "
        "liked and disliked what this person looks for. Then choose the one persona of the item that fits best, by its "
        "id, with two or three sentences of reasoning.\n\n"
        f"{block('history', events, 4000)}\n{block('item', given.target, 300)}\n{block('personas', options, 6000)}\n\n"
        f"{form(Selection, {'reasoning': '...', 'persona_id': given.personas[0].id})}"
    )


def _check_selection(given: UserAndItem, output: Selection) -> list[str]:
    """The id must exist, and the reasoning may not argue for another persona than the one that is chosen."""
    problems = unknown("persona_id", [output.persona_id], (p.id for p in given.personas))
    said = output.reasoning.casefold()
    named = [p.id for p in given.personas if p.name.casefold() in said]
    if not problems and named and output.persona_id not in named:
        problems.append(
            f"the reasoning names {', '.join(named)} but persona_id is {output.persona_id}"
        )
    return problems + empty("reasoning", output.reasoning)


def _repair_selection(given: UserAndItem, output: Selection) -> Selection | None:
    """A persona named instead of numbered is understood; an id the reasoning contradicts is not guessed at."""
    match = [p.id for p in given.personas if p.name.casefold() == output.persona_id.casefold()]
    return output.model_copy(update={"persona_id": match[0]}) if match else None


SUMMARY = Task(
    name="persona4rec/summary",
    version=1,
    about="an objective summary of an item",
    input=ItemToSummarise,
    output=Summary,
    prompt=_summary_prompt,
    check=_check_summary,
    temperature=0.3,
    max_tokens=400,
    rule=lambda g, tools: Summary(summary=rules.summary(g, tools)),
    reads=rules.summary_reads,
)
ASPECTS = Task(
    name="persona4rec/aspects",
    version=1,
    about="what a review of a product says about its writer",
    input=Review,
    output=ProductAspects,
    prompt=_aspects_prompt(_PRODUCT_SLOTS, ProductAspects),
    check=_check_aspects,
    rule=lambda g, tools: ProductAspects(**rules.product_aspects(g, tools)),
    reads=rules.aspect_reads,
    max_tokens=500,
)
RESTAURANT_ASPECTS = Task(
    name="persona4rec/restaurant_aspects",
    version=1,
    about="what a review of a restaurant says about its writer",
    input=Review,
    output=RestaurantAspects,
    prompt=_aspects_prompt(_RESTAURANT_SLOTS, RestaurantAspects),
    check=_check_aspects,
    rule=lambda g, tools: RestaurantAspects(**rules.restaurant_aspects(g, tools)),
    reads=rules.aspect_reads,
    max_tokens=500,
)
PERSONAS = Task(
    name="persona4rec/personas",
    version=1,
    about="two to seven kinds of people who choose an item",
    input=ItemReviews,
    output=ItemPersonas,
    prompt=_personas_prompt,
    check=_check_personas,
    repair=_repair_personas,
    max_tokens=2000,
    rule=lambda g, tools: ItemPersonas(
        personas=[ItemPersona(**p) for p in rules.personas(g, tools)]
    ),
    reads=rules.persona_reads,
)
SELECTION = Task(
    name="persona4rec/selection",
    version=1,
    about="the persona of an item that fits a user",
    input=UserAndItem,
    output=Selection,
    prompt=_selection_prompt,
    check=_check_selection,
    repair=_repair_selection,
    temperature=0.1,
    max_tokens=300,
    rule=lambda g, tools: Selection(**rules.selection(g, tools)),
    reads=rules.selection_reads,
)
TASKS = (
    SUMMARY,
    ASPECTS,
    RESTAURANT_ASPECTS,
    PERSONAS,
    SELECTION,
)
