"""Every task, by name. One file per paper; what two papers ask in the same words stands in common.py."""

import difflib

from reprolib.llm.task import Task
from reprolib.llm.tasks import judging, llm_edt, persona4rec, persona_kg, rerankers, semacdr, sphere

TASKS: dict[str, Task] = {
    task.name: task
    for module in (sphere, semacdr, persona_kg, persona4rec, judging, rerankers, llm_edt)
    for task in module.TASKS
}


def task_named(name: str) -> Task:
    """The task called `name`; raises ValueError with a suggestion."""
    if name in TASKS:
        return TASKS[name]
    close = difflib.get_close_matches(name, TASKS, 1)
    hint = f"did you mean {close[0]}?" if close else f"tasks are {', '.join(TASKS)}"
    raise ValueError(f"{name!r} is not a task ({hint})")
