"""Answers in and out of the cache: JSON lines, and the batch files that providers and `vllm run-batch` read."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from reprolib.data.corpus import DataError
from reprolib.llm.answers import Store, digest
from reprolib.llm.complete import read_inputs
from reprolib.llm.openai_api import OpenAIChat, read_completion
from reprolib.llm.task import Failure, LLMError, Task, Unusable, read_answer

BATCH_LIMIT = 50_000  # requests a provider takes in one file
LISTED = 20


@dataclass
class Imported:
    """What an import found: answers kept, answers that failed their checks, lines that could not be used and why."""

    kept: int = 0
    failed: int = 0
    unusable: int = 0
    problems: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """List a problem, the first ones in words."""
        if len(self.problems) < LISTED:
            self.problems.append(sentence)


@dataclass(frozen=True)
class Named:
    """The identity of a back end, for digests of answers that were given elsewhere."""

    name: str
    model: str

    @property
    def reads_input(self) -> bool:
        """The embedded annotator answers from the input, every other back end from the conversation."""
        return self.name == "embedded-minilm"


def export_answers(
    path: str | Path,
    *,
    cache: str | Path | None = None,
    task: str | None = None,
    model: str | None = None,
) -> int:
    """Write the stored answers (of one task, of one model) as JSON lines that `replay:` and the import read."""
    count = 0
    with Store(cache) as store, _writing(path) as stream:
        for row in store.rows(task, model):
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def import_answers(path: str | Path, *, cache: str | Path | None = None) -> Imported:
    """Read answers that `export_answers` wrote, here or elsewhere; each is checked as if it had just been given."""
    report = Imported()
    with Store(cache) as store:
        for number, line in _lines(Path(path)):
            try:
                task, llm, given, output = _recorded_line(line)
                problems = task.check(given, output)
                if problems:
                    raise ValueError(f"the answer breaks a rule of {task.name}: {problems[0]}")
            except ValueError as problem:
                report.unusable += 1
                report.note(f"{path}, line {number}: {problem}")
                continue
            store.keep(digest(task, llm, given), task, llm, given, output.model_dump_json())
            store.spend(task, llm, "imported")
            report.kept += 1
    return report


def read_recording(path: Path) -> tuple[str, str, dict[bytes, str]]:
    """(back end, model, answers by digest) of a recording; DataError when a line is wrong or models are mixed."""
    answers = {}
    named = None
    for number, line in _lines(path):
        try:
            task, llm, given, output = _recorded_line(line)
        except ValueError as problem:
            raise DataError(f"{path}, line {number}: {problem}") from None
        if named not in (None, llm):
            raise DataError(
                f"{path}, line {number}: answers of {llm.model} after answers of {named.model}; "
                "a recording holds one model, export with --model"
            )
        named = llm
        answers[digest(task, llm, given)] = output.model_dump_json()
    if named is None:
        raise DataError(f"{path}: holds no answer; write one with `reprolib llm export`")
    return named.name, named.model, answers


def export_batch(
    task: Task,
    inputs: Iterable[BaseModel | dict],
    llm: OpenAIChat,
    path: str | Path,
) -> list[Path]:
    """Write the questions that have no answer yet as OpenAI batch files; return the files.

    custom_id is the digest. More than BATCH_LIMIT questions go to PATH-2, PATH-3, ... The back end's cache remembers
    the inputs, so that `import_batch` with the same cache can check the results. Raises ValueError for a back end
    that is no server.
    """
    if not isinstance(llm, OpenAIChat):
        raise ValueError(f"{llm.label} has no batch files; right would be openai:MODEL")
    path = Path(path)
    files = []
    with Store(llm.cache) as store:
        asked = {digest(task, llm, given): given for given in read_inputs(task, inputs)}
        stored = store.answers(list(asked))
        left = [(key, given) for key, given in asked.items() if key not in stored]
        for part, chunk in enumerate(_batched(left, BATCH_LIMIT), start=1):
            file = path
            if part > 1:
                file = path.with_stem(f"{path.stem}-{part}")
            with _writing(file) as stream:
                for key, given in chunk:
                    request = {
                        "custom_id": key.hex(),
                        "method": "POST",
                        "url": "/v1/chat/completions",
                        "body": llm.body(task.messages(given), task),
                    }
                    stream.write(json.dumps(request, ensure_ascii=False) + "\n")
            files.append(file)
        store.keep_requests(task, llm, left)
    return files


def import_batch(path: str | Path, *, cache: str | Path | None = None) -> Imported:
    """Read the results of a batch file into the cache. An answer that fails its checks is noted as a failure and is
    asked again by the next run; an error line, a broken line or an unknown custom_id is counted and listed."""
    report = Imported()
    with Store(cache) as store:
        for number, line in _lines(Path(path)):
            try:
                _import_result(store, line, report)
            except (ValueError, LookupError, TypeError, AttributeError) as problem:
                report.unusable += 1
                report.note(f"{path}, line {number}: {problem}")
    return report


def _import_result(store: Store, line: str, report: Imported) -> None:
    from reprolib.llm.task_names import task_named

    result = json.loads(line)
    try:
        key = bytes.fromhex(result["custom_id"])
    except (KeyError, ValueError, TypeError):
        raise ValueError("has no custom_id that this project wrote") from None
    request = store.request(key)
    if request is None:
        if store.answers([key]):
            return  # imported before
        raise ValueError(
            f"custom_id {result['custom_id'][:12]}... was not exported from this cache; "
            "import with the cache that wrote the requests"
        )
    task, llm = task_named(request[0]), Named(request[1], request[2])
    given = task.input.model_validate_json(request[3])
    response = result.get("response") or {}
    if result.get("error") or response.get("status_code") != 200:
        raise ValueError(
            f"the server reports an error ({str(result.get('error') or response.get('status_code'))[:200]}); "
            "run the task again to ask this input live"
        )
    raw = ""
    try:
        reply = read_completion(response["body"], task)
        raw = reply.text
        output = read_answer(task, given, reply)
        problems = task.check(given, output)
        if problems:
            raise Unusable("; ".join(problems[:3]))
    except (Unusable, LLMError) as problem:
        store.keep_failure(key, task, llm, given, Failure(task.name, str(problem), 1, raw))
        store.spend(task, llm, "failed")
        report.failed += 1
        return
    store.keep(key, task, llm, given, output.model_dump_json())
    store.spend(task, llm, "imported", 1, reply.prompt_tokens, reply.completion_tokens)
    report.kept += 1


def _recorded_line(line: str):
    """(task, back end, input, output) of one exported line; raises ValueError with a sentence."""
    from reprolib.llm.task_names import task_named

    try:
        row = json.loads(line)
        task = task_named(row["task"])
        if row["version"] != task.version:
            raise ValueError(
                f"was recorded with version {row['version']} of {task.name}, this is version {task.version}; "
                "record it again"
            )
        given = task.input.model_validate(row["input"])
        output = task.output.model_validate(row["answer"])
        return task, Named(row["backend"], row["model"]), given, output
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg})") from None
    except (KeyError, TypeError):
        raise ValueError(
            "lacks one of the keys task, version, backend, model, input, answer"
        ) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Non-empty lines with their 1-based number."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); give a file of JSON lines"
        ) from None


def _writing(path: str | Path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "w", encoding="utf-8")


def _batched(values: list, size: int) -> Iterator[list]:
    return (values[start : start + size] for start in range(0, len(values), size))
