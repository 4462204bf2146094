"""complete and complete_many: from inputs to validated outputs, with a cache before every call and a ledger behind."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ValidationError
from tqdm.auto import tqdm

from reprolib.llm.answers import Store, digest
from reprolib.llm.task import (
    BackEnd,
    Failure,
    LLMError,
    Refused,
    ReplayMiss,
    Task,
    TransportError,
    Unusable,
    clip,
    read_answer,
)

OUTCOMES = ("answered", "cached", "repaired", "reasked", "retried", "failed")  # of the ledger
LONGEST_WAIT = 300.0  # seconds, whatever a server asks for
PREPARED = 256  # inputs whose texts the embedded annotator encodes together


@dataclass
class Asked:
    """What became of one input, and what it cost."""

    answer: BaseModel | None = None
    failure: Failure | None = None
    repaired: bool = False
    unreachable: bool = False
    reasks: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


def complete(task: Task, given: BaseModel | dict, llm: BackEnd) -> BaseModel:
    """The validated answer to one input, as `complete_many` gives it; raises LLMError when there is none."""
    return complete_many(task, [given], llm, progress=False)[0]


def complete_many(
    task: Task,
    inputs: Iterable[BaseModel | dict],
    llm: BackEnd,
    *,
    cache: str | Path | None = None,
    reasks: int = 2,
    on_failure: str = "raise",
    progress: bool = True,
) -> list[BaseModel | Failure]:
    """One validated output per input, in order.

    llm    a back end from `open_llm`
    cache  folder of the answers; by default that of the back end
    Answers are read from the cache, then asked with at most `llm.workers` calls at a time, and stored as they come:
    an interrupted job goes on where it stopped. Equal inputs are asked once. An answer that breaks the schema or a
    validator is asked again `reasks` times with what was wrong. Inputs that stay without an answer raise LLMError at
    the end (on_failure="raise") or stand in the list as Failure, which is falsy (on_failure="return").
    """
    if on_failure not in ("raise", "return"):
        raise ValueError(f'on_failure is {on_failure!r}; right would be "raise" or "return"')
    inputs = read_inputs(task, inputs)
    with Store(cache or llm.cache) as store:
        keys = [digest(task, llm, given) for given in inputs]
        outputs: dict[bytes, BaseModel | Failure] = _stored(task, llm, store, keys)
        pending = dict(zip(keys, inputs, strict=True))
        for key in outputs:
            del pending[key]
        _refuse_miss(task, llm, pending)
        store.spend(task, llm, "cached", len(outputs))

        lost = 0

        def keep(key: bytes, given: BaseModel, asked: Asked) -> None:
            nonlocal lost
            outputs[key] = asked.answer or asked.failure
            _keep(store, task, llm, key, given, asked)
            lost = lost + 1 if asked.unreachable else 0
            if lost >= max(5, llm.workers):
                raise LLMError(
                    f"{task.name}: {llm.label} did not answer {lost} inputs in a row; the last: "
                    f"{asked.failure.reason}. Finished answers are kept; start again when it is back"
                )

        if pending:
            _ask_all(task, list(pending.items()), llm, reasks, keep, progress)
    failures = [outputs[key] for key in dict.fromkeys(keys) if isinstance(outputs[key], Failure)]
    if failures and on_failure == "raise":
        raise LLMError(
            f"{task.name}: {len(failures)} of {len(set(keys))} inputs have no usable answer from {llm.label}; "
            f"the first: {failures[0].reason}. Finished answers are kept; run again to ask only the others"
        )
    return [outputs[key] for key in keys]


def read_inputs(task: Task, inputs: Iterable[BaseModel | dict]) -> list[BaseModel]:
    """Inputs as the task's input type; raises ValueError that names the position and the field."""
    read = []
    for position, given in enumerate(inputs):
        try:
            if not isinstance(given, task.input):
                given = task.input.model_validate(given)
            read.append(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "input"
            raise ValueError(
                f"{task.name}, input {position}: {where}: {first['msg']}; "
                f"the input has the keys {', '.join(task.input.model_fields)}"
            ) from None
    return read


def estimate(
    task: Task,
    inputs: Iterable[BaseModel | dict],
    llm: BackEnd,
    *,
    price: tuple[float, float] = (0.0, 0.0),
) -> dict[str, str | int | float]:
    """What `complete_many` would ask and cost at most, without asking; what the back end's cache holds costs nothing.

    price  currency units per million prompt and completion tokens. Tokens are counted as four characters each.
    """
    inputs = read_inputs(task, inputs)
    with Store(llm.cache) as store:
        asked = {digest(task, llm, given): given for given in inputs}
        stored = _stored(task, llm, store, list(asked))
    calls = [given for key, given in asked.items() if key not in stored]
    remote = calls
    if llm.reads_input:
        remote = []
    prompt = sum(len(m["content"]) for given in remote for m in task.messages(given)) // 4
    most = len(remote) * task.max_tokens
    return {
        "task": task.name,
        "llm": llm.label,
        "inputs": len(inputs),
        "distinct": len(asked),
        "cached": len(stored),
        "calls": len(calls),
        "prompt_tokens": prompt,
        "completion_tokens_at_most": most,
        "cost_at_most": (prompt * price[0] + most * price[1]) / 1e6,
    }


def _stored(task: Task, llm, store: Store, keys: list[bytes]) -> dict[bytes, BaseModel]:
    """Answers that are there already; one that no longer fits the schema is left to be asked again."""
    found = llm.recorded(keys) if llm.recorded else store.answers(keys)
    outputs = {}
    for key, answer in found.items():
        try:
            outputs[key] = task.output.model_validate_json(answer)
        except ValidationError:
            continue
    return outputs


def _refuse_miss(task: Task, llm, pending: dict) -> None:
    if llm.recorded and pending:
        example = clip(next(iter(pending.values())).model_dump_json(), 300)
        raise ReplayMiss(
            f"{task.name}: {llm.label} holds no answer for {len(pending)} inputs, the first {example}; "
            "record them with the live model, or give the inputs of the recording"
        )


def _ask_all(task: Task, pending: list, llm, reasks: int, keep: Callable, progress: bool) -> None:
    """Ask every pending (key, input); whatever happens, what was answered is kept."""
    bar = tqdm(
        total=len(pending), desc=task.name, disable=not progress or len(pending) < 20, leave=False
    )
    with bar:
        if llm.workers == 1:
            _one_by_one(task, pending, llm, reasks, keep, bar)
        else:
            _together(task, pending, llm, reasks, keep, bar)


def _one_by_one(task, pending, llm, reasks, keep, bar) -> None:
    for start in range(0, len(pending), PREPARED):
        part = pending[start : start + PREPARED]
        began = time.perf_counter()
        if llm.reads_input:
            llm.prepare(task, [given for _, given in part])
        share = (time.perf_counter() - began) / len(part)
        for key, given in part:
            asked = _ask(task, given, llm, reasks, threading.Event())
            asked.seconds += share
            keep(key, given, asked)
            bar.update()


def _together(task, pending, llm, reasks, keep, bar) -> None:
    """A bounded window of calls in threads; answers are stored by this thread alone."""
    stop = threading.Event()
    queue = iter(pending)
    running = {}

    def submit(n: int) -> None:
        for key, given in islice(queue, n):
            running[pool.submit(_ask, task, given, llm, reasks, stop)] = key, given

    pool = ThreadPoolExecutor(llm.workers, "llm")
    try:
        submit(2 * llm.workers)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                keep(*running[future], future.result())
                del running[future]
                bar.update()
                submit(1)
    finally:  # on an interrupt the calls in flight are paid for: wait for them and keep their answers
        stop.set()
        for future in running:
            future.cancel()
        pool.shutdown(wait=True)
        for future, (key, given) in running.items():
            if (
                not future.cancelled()
                and future.exception() is None
                and not future.result().unreachable
            ):
                keep(key, given, future.result())


def _ask(task: Task, given: BaseModel, llm, reasks: int, stop: threading.Event) -> Asked:
    """One input: ask, check, re-ask with what was wrong, repair at last, or fail with the reason."""
    asked = Asked()
    start = time.perf_counter()
    last = None
    reason = ""
    raw = ""
    messages = None if llm.reads_input else task.messages(given)
    try:
        for attempt in range(1 if llm.reads_input else reasks + 1):
            asked.reasks = attempt
            try:
                if llm.reads_input:
                    last = output = llm.answer(task, given)
                else:
                    reply = _send(task, messages, llm, stop, asked)
                    raw = reply.text
                    last = output = read_answer(task, given, reply)
                problems = task.check(given, output)
            except Unusable as problem:
                problems = [str(problem)]
            if not problems:
                asked.answer = output
                return asked
            reason = "; ".join(problems[:3])
            messages = None if llm.reads_input else [*task.messages(given), *_again(raw, reason)]
        repaired = task.repair(given, last) if last is not None else None
        if repaired is not None and not task.check(given, repaired):
            asked.answer = repaired
            asked.repaired = True
            return asked
    except Refused as problem:
        reason = str(problem)
    except TransportError as problem:
        reason = str(problem)
        asked.unreachable = True
    finally:
        asked.seconds = time.perf_counter() - start
    asked.failure = Failure(task.name, reason, asked.reasks + 1, raw[:2000])
    return asked


def _again(raw: str, reason: str) -> list[dict[str, str]]:
    return [
        {"role": "assistant", "content": raw[:4000] or "(empty)"},
        {
            "role": "user",
            "content": f"That answer cannot be used: {reason}. "
            "Give the whole answer again, corrected, in the form asked for and nothing else.",
        },
    ]


def _send(task: Task, messages: list, llm, stop: threading.Event, asked: Asked):
    """One call, repeated after transport errors with growing pauses or the pause the server asked for."""
    for attempt in range(llm.retries + 1):
        try:
            reply = llm.send(messages, task)
        except TransportError as error:
            if attempt == llm.retries or stop.is_set():
                raise
            pause = error.retry_after
            if pause is None:
                pause = llm.backoff * 2**attempt * random.uniform(0.5, 1.0)
            asked.retries += 1
            if stop.wait(min(pause, LONGEST_WAIT)):
                raise
        else:
            asked.prompt_tokens += reply.prompt_tokens
            asked.completion_tokens += reply.completion_tokens
            return reply
    raise AssertionError("unreachable")


def _keep(store: Store, task: Task, llm, key: bytes, given: BaseModel, asked: Asked) -> None:
    if asked.failure is not None:
        store.keep_failure(key, task, llm, given, asked.failure)
    else:
        store.keep(key, task, llm, given, asked.answer.model_dump_json())
    outcome = "answered"
    if asked.failure is not None:
        outcome = "failed"
    elif asked.repaired:
        outcome = "repaired"
    store.spend(task, llm, outcome, 1, asked.prompt_tokens, asked.completion_tokens, asked.seconds)
    store.spend(task, llm, "reasked", asked.reasks)
    store.spend(task, llm, "retried", asked.retries)
