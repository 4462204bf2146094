"""One interface to language models: checked tasks, back ends, a cache, a ledger. See docs/llm.md.

Importing this package loads neither torch nor openai.
"""

from reprolib.llm.answers import Store, violation_rate
from reprolib.llm.backends import open_llm
from reprolib.llm.complete import complete, complete_many, estimate
from reprolib.llm.exchange import export_answers, export_batch, import_answers, import_batch
from reprolib.llm.task import Failure, LLMError, ReplayMiss, Task
from reprolib.llm.task_names import all_tasks, task_named

__all__ = [
    "Failure",
    "LLMError",
    "ReplayMiss",
    "Store",
    "Task",
    "all_tasks",
    "complete",
    "complete_many",
    "estimate",
    "export_answers",
    "export_batch",
    "import_answers",
    "import_batch",
    "open_llm",
    "task_named",
    "violation_rate",
]
