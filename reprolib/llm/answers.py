"""The answers: one SQLite file with answers, failures, requests on their way, and the ledger of what was spent."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from reprolib.cache import cache_dir, open_database
from reprolib.llm.task import Failure, Identity, Task

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (digest BLOB PRIMARY KEY, task TEXT, version INT, backend TEXT, model TEXT,
    input TEXT, answer TEXT);
CREATE TABLE IF NOT EXISTS failures (digest BLOB PRIMARY KEY, task TEXT, backend TEXT, model TEXT, input TEXT,
    reason TEXT, attempts INT, raw TEXT);
CREATE TABLE IF NOT EXISTS requests (digest BLOB PRIMARY KEY, task TEXT, backend TEXT, model TEXT, input TEXT);
CREATE TABLE IF NOT EXISTS ledger (at REAL, task TEXT, backend TEXT, model TEXT, outcome TEXT, n INT,
    prompt_tokens INT, completion_tokens INT, seconds REAL);
CREATE INDEX IF NOT EXISTS answers_by_task ON answers (task, backend, model);
"""
FILE = "llm.sqlite"


def digest(task: Task, llm: Identity, given: BaseModel) -> bytes:
    """SHA-256 of everything that determines the answer.

    For a language model that is the conversation; the embedded annotator reads the input itself.
    """
    asked = given.model_dump_json() if llm.reads_input else json.dumps(task.messages(given))
    return hashlib.sha256(
        "\0".join((llm.name, llm.model, task.fingerprint, asked)).encode("utf-8", "replace")
    ).digest()


def violation_rate(ledger: list[dict], task: str) -> float:
    """Share of a task's replies that broke the form or a rule, from `Store.ledger()`; NaN when none was given."""
    counts = dict.fromkeys(("answered", "repaired", "failed", "reasked"), 0)
    for row in ledger:
        if row["task"] == task and row["outcome"] in counts:
            counts[row["outcome"]] += row["n"]
    if not any(counts.values()):
        return float("nan")
    return 1 - counts["answered"] / sum(counts.values())


class Store:
    """Access to the file; used by one thread at a time. Several processes may share the file."""

    def __init__(self, cache: str | Path | None = None):
        self.path = cache_dir(cache) / FILE
        self._db = open_database(self.path, SCHEMA)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self._db.commit()
        self._db.close()

    def answers(self, digests: list[bytes]) -> dict[bytes, str]:
        """The stored answers among `digests`, as JSON text."""
        answers = {}
        for start in range(0, len(digests), 500):
            chunk = digests[start : start + 500]
            places = ",".join("?" * len(chunk))
            query = f"SELECT digest, answer FROM answers WHERE digest IN ({places})"
            answers.update(self._db.execute(query, chunk))
        return answers

    def keep(self, key: bytes, task: Task, llm: Identity, given: BaseModel, answer: str) -> None:
        """Store one answer and clear what was noted about the same input before."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    task.name,
                    task.version,
                    llm.name,
                    llm.model,
                    given.model_dump_json(),
                    answer,
                ),
            )
            self._db.execute("DELETE FROM failures WHERE digest = ?", (key,))
            self._db.execute("DELETE FROM requests WHERE digest = ?", (key,))

    def keep_failure(
        self, key: bytes, task: Task, llm: Identity, given: BaseModel, failure: Failure
    ) -> None:
        """Note an input that got no usable answer; the next run asks it again."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    task.name,
                    llm.name,
                    llm.model,
                    given.model_dump_json(),
                    failure.reason,
                    failure.attempts,
                    failure.raw[:2000],
                ),
            )

    def keep_requests(
        self, task: Task, llm: Identity, asked: Iterable[tuple[bytes, BaseModel]]
    ) -> None:
        """Note inputs that left in a batch file, so that their results can be checked when they come back."""
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?)",
                (
                    (key, task.name, llm.name, llm.model, given.model_dump_json())
                    for key, given in asked
                ),
            )

    def request(self, key: bytes) -> tuple[str, str, str, str] | None:
        """(task, backend, model, input JSON) of an exported request."""
        return self._db.execute(
            "SELECT task, backend, model, input FROM requests WHERE digest = ?", (key,)
        ).fetchone()

    def spend(
        self,
        task: Task,
        llm: Identity,
        outcome: str,
        n: int = 1,
        prompt: int = 0,
        completion: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Add a line to the ledger; `outcome` is one of OUTCOMES in complete.py or "imported"."""
        if n:
            with self._db:
                self._db.execute(
                    "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        time.time(),
                        task.name,
                        llm.name,
                        llm.model,
                        outcome,
                        n,
                        prompt,
                        completion,
                        seconds,
                    ),
                )

    def rows(self, task: str | None = None, model: str | None = None) -> Iterator[dict]:
        """Stored answers, oldest first, as the dictionaries that `export_answers` writes."""
        query = (
            "SELECT task, version, backend, model, input, answer FROM answers "
            "WHERE (?1 IS NULL OR task = ?1) AND (?2 IS NULL OR model = ?2) ORDER BY rowid"
        )
        for name, version, backend, of, given, answer in self._db.execute(query, (task, model)):
            yield {
                "task": name,
                "version": version,
                "backend": backend,
                "model": of,
                "input": json.loads(given),
                "answer": json.loads(answer),
            }

    def failures(self) -> list[dict]:
        """Inputs that still have no usable answer."""
        names = ("task", "backend", "model", "input", "reason", "attempts", "raw")
        query = f"SELECT {', '.join(names)} FROM failures ORDER BY rowid"
        return [dict(zip(names, row, strict=True)) for row in self._db.execute(query)]

    def ledger(self) -> list[dict]:
        """Sums per task, back end, model and outcome."""
        names = (
            "task",
            "backend",
            "model",
            "outcome",
            "n",
            "prompt_tokens",
            "completion_tokens",
            "seconds",
        )
        query = (
            "SELECT task, backend, model, outcome, SUM(n), SUM(prompt_tokens), SUM(completion_tokens), SUM(seconds) "
            "FROM ledger GROUP BY task, backend, model, outcome ORDER BY task, backend, model, outcome"
        )
        return [dict(zip(names, row, strict=True)) for row in self._db.execute(query)]
