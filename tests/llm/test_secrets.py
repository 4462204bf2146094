"""A planted key is looked for in everything that leaves the client."""

import json
import logging
import traceback

import pytest
from openai_server import answer_of, toy_task

from reprolib.data.origin import Origin
from reprolib.llm import (
    LLMError,
    complete,
    complete_many,
    export_answers,
    export_batch,
    open_llm,
    task_named,
)
from reprolib.report.provenance import origin_record

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def _planted(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def shown(error: BaseException) -> str:
    return (
        "".join(traceback.format_exception(error))
        + repr(error)
        + repr(error.__cause__)
        + repr(error.__context__)
    )


def files_with_key(folder) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]


def test_the_server_gets_the_key_and_nobody_else_sees_it(serve, client, tmp_path, caplog, capsys):
    caplog.set_level(logging.DEBUG)

    def echo(body, n):  # a server that tells the key in its answers and in its errors
        if n == 1:
            return (500, {}, {"error": {"message": f"header was {body['_authorization']}"}})
        return json.dumps(
            {"twice": json.loads(answer_of(body))["twice"], "note": body["_authorization"]}
        )

    server, task = serve(echo), toy_task()
    llm = client(server)
    answer = complete(task, {"n": 1}, llm)
    assert server.bodies[0]["_authorization"] == f"Bearer {KEY}"
    assert answer.note == "Bearer [key]"
    origin = Origin(((task.name, 0),), annotators=(llm.label,))
    about = origin_record(origin, "quick")
    assert KEY not in caplog.text + repr(llm) + json.dumps(about) + "".join(capsys.readouterr())
    assert files_with_key(tmp_path) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_no_exception_shows_the_key(serve, client, tmp_path, status):
    server = serve(
        lambda body, n: (status, {}, {"error": {"message": f"you sent {body['_authorization']}"}})
    )
    with pytest.raises(LLMError) as caught:
        complete_many(toy_task(), [{"n": 1}], client(server, retries=0))
    assert KEY not in shown(caught.value)
    assert files_with_key(tmp_path) == []


def test_no_exception_shows_the_key_when_the_connection_fails(client, tmp_path):
    llm = open_llm("openai:m@http://127.0.0.1:9/v1", retries=0, timeout=1, cache=tmp_path)
    with pytest.raises(LLMError) as caught:
        complete(toy_task(), {"n": 1}, llm)
    assert KEY not in shown(caught.value)


def test_exports_hold_no_key(serve, client, tmp_path):
    task = task_named("llm_edt/summarize")
    given = [{"domain": "books", "items": [{"title": f"Title {i}"}]} for i in range(3)]
    server = serve(lambda body, n: '{"summary": "a taste for titles"}')
    llm = client(server, cache=tmp_path / "cache")
    complete_many(task, given[:2], llm)
    assert export_answers(tmp_path / "out" / "answers.jsonl", cache=tmp_path / "cache") == 2
    export_batch(task, given, llm, tmp_path / "out" / "requests.jsonl")
    assert files_with_key(tmp_path) == []


@pytest.mark.parametrize(
    "address", ["https://user:hunter2@host/v1", "https://host/v1?api_key=hunter2"]
)
def test_an_address_that_holds_a_secret_is_refused_without_showing_it(address):
    with pytest.raises(ValueError, match="put keys in the environment") as caught:
        open_llm(f"openai:m@{address}")
    assert "hunter2" not in shown(caught.value)
