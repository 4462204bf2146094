"""XRec-style explanations: one profile per user and one per item, no persona (after Ma et al., EMNLP 2024).

The published system feeds graph embeddings into a frozen 7-billion-parameter model through an adapter. Here the same
question goes to the annotator as text: what is compared is one profile against many, not the adapter.
"""

from collections.abc import Mapping, Sequence

from reprolib.llm import complete_many
from reprolib.papers.persona4rec.judging_tasks import EXPLANATION
from reprolib.rerankers.histories import Material

HISTORY = 10


def explanations(
    material: Material,
    users: Sequence[int],
    items: Sequence[int],
    profiles: Mapping[int, str],
    llm,
    *,
    cache=None,
    progress: bool = True,
) -> list[str]:
    """Why each user should like the item beside it, "" where the annotator gave no usable answer.

    profiles  {item code: its one profile}, for example the item summaries; the user's profile are the latest events
    """
    given = [
        {
            "history": history,
            "item": material.items[int(item)].title,
            "item_summary": profiles[int(item)],
        }
        for history, item in zip(material.histories(users, HISTORY), items, strict=True)
    ]
    answers = complete_many(
        EXPLANATION,
        given,
        llm,
        cache=cache,
        on_failure="return",
        progress=progress,
    )
    return [a.explanation if a else "" for a in answers]
