"""Every task, by name: "semacdr/labels" is the task of that name in the room of the paper with the key "semacdr"."""

import difflib
import functools
import importlib

from reprolib.catalogue import PAPERS
from reprolib.llm.task import Task

# where tasks stand, as text: a paper's room imports this package, never the other way round
MODULES = (
    *(f"reprolib.papers.{paper.key}.tasks" for paper in PAPERS),
    "reprolib.papers.persona4rec.judging_tasks",
    "reprolib.rerankers.tasks",
)


@functools.cache
def all_tasks() -> dict[str, Task]:
    """{name: task} of all rooms."""
    modules = [importlib.import_module(name) for name in MODULES]
    return {task.name: task for module in modules for task in module.TASKS}


def task_named(name: str) -> Task:
    """The task called `name`; raises ValueError with a suggestion."""
    tasks = all_tasks()
    if name in tasks:
        return tasks[name]
    close = difflib.get_close_matches(name, tasks, 1)
    hint = f"did you mean {close[0]}?" if close else f"tasks are {', '.join(tasks)}"
    raise ValueError(f"{name!r} is not a task ({hint})")
