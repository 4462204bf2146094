"""Answers that leave and come back: JSON lines, recordings, batch files."""

import json

import pytest
from openai_server import completion

from reprolib.data.corpus import DataError
from reprolib.llm import (
    ReplayMiss,
    Store,
    complete_many,
    export_answers,
    export_batch,
    import_answers,
    import_batch,
    open_llm,
    task_named,
)

TASK = task_named("llm_edt/summarize")


def clusters(n):
    return [{"domain": "books", "items": [{"title": f"Title {i}"}]} for i in range(n)]


def summary(body, n):
    return json.dumps(
        {"summary": "likes " + body["messages"][1]["content"].split("1. ")[1].split("\n")[0]}
    )


@pytest.fixture
def recorded(serve, client, tmp_path):
    """A recording of four answers of the model "m"."""
    complete_many(TASK, clusters(4), client(serve(summary), cache=tmp_path / "live"))
    export_answers(tmp_path / "recording.jsonl", cache=tmp_path / "live")
    return tmp_path / "recording.jsonl"


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_an_export_read_elsewhere_gives_the_same_answers_without_a_call(
    recorded, serve, client, tmp_path
):
    report = import_answers(recorded, cache=tmp_path / "other")
    server = serve(summary)
    answers = complete_many(TASK, clusters(4), client(server, cache=tmp_path / "other"))
    assert (report.kept, report.unusable, server.bodies) == (4, 0, [])
    assert [a.summary for a in answers] == [f"likes Title {i}" for i in range(4)]


def test_a_replay_answers_under_the_name_of_the_model_it_recorded(recorded, tmp_path):
    llm = open_llm(f"replay:{recorded}", cache=tmp_path / "empty")
    answers = complete_many(TASK, clusters(4), llm)
    assert llm.label == "replay of openai:m"
    assert answers[3].summary == "likes Title 3"


def test_a_replay_miss_names_the_task_and_the_input(recorded, tmp_path):
    llm = open_llm(f"replay:{recorded}", cache=tmp_path / "empty")
    with pytest.raises(ReplayMiss, match=r"llm_edt/summarize: .* no answer for 2 inputs.*Title 4"):
        complete_many(TASK, clusters(6), llm)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": "llm_edt/sumarize"}, "did you mean llm_edt/summarize"),
        ({"version": 0}, "version 0"),
        ({"input": {"domain": "books"}}, "items: Field required"),
        ({"answer": {}}, "summary: Field required"),
        ({"answer": {"summary": "word " * 60}}, "60 words"),
    ],
)
def test_a_wrong_line_is_listed_with_its_number_and_the_others_are_kept(
    recorded, tmp_path, change, told
):
    rows = lines(recorded)
    rows[1] |= change
    recorded.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n", "utf-8")
    report = import_answers(recorded, cache=tmp_path / "other")
    assert (report.kept, report.unusable) == (3, 2)
    assert "line 2:" in report.problems[0]
    assert told in report.problems[0]
    assert "line 5: is not JSON" in report.problems[1]


def test_a_recording_of_two_models_is_refused(recorded):
    rows = lines(recorded)
    rows[2]["model"] = "other"
    recorded.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with pytest.raises(DataError, match="line 3: answers of other after answers of m"):
        open_llm(f"replay:{recorded}")


def test_a_batch_goes_out_comes_back_in_any_order_and_answers_the_job(serve, client, tmp_path):
    server = serve(summary)
    complete_many(TASK, clusters(1), client(server))
    (file,) = export_batch(TASK, clusters(5), client(server), tmp_path / "requests.jsonl")
    requests = lines(file)
    assert len(requests) == 4
    assert requests[0]["url"] == "/v1/chat/completions"
    assert requests[0]["body"]["response_format"]["json_schema"]["schema"] == TASK.schema
    results = [
        {
            "custom_id": r["custom_id"],
            "response": {"status_code": 200, "body": completion(summary(r["body"], 0))},
        }
        for r in reversed(requests)
    ]
    (tmp_path / "results.jsonl").write_text("\n".join(map(json.dumps, results)), "utf-8")
    report = import_batch(tmp_path / "results.jsonl", cache=tmp_path)
    answers = complete_many(TASK, clusters(5), client(server))
    assert (report.kept, report.failed, report.unusable) == (4, 0, 0)
    assert [a.summary for a in answers] == [f"likes Title {i}" for i in range(5)]
    assert len(server.bodies) == 1
    again = import_batch(tmp_path / "results.jsonl", cache=tmp_path)
    assert again.problems == []  # a second import changes nothing


def test_bad_batch_results_are_counted_and_asked_live_later(serve, client, tmp_path):
    server = serve(summary)
    (file,) = export_batch(TASK, clusters(4), client(server), tmp_path / "requests.jsonl")
    ids = [r["custom_id"] for r in lines(file)]
    results = [
        {"custom_id": ids[0], "response": {"status_code": 200, "body": completion("no json")}},
        {
            "custom_id": ids[1],
            "response": {"status_code": 500, "body": {}},
            "error": {"code": "server_error"},
        },
        {"custom_id": "00" * 32, "response": {"status_code": 200, "body": completion("{}")}},
        {"custom_id": ids[2], "response": {"status_code": 200, "body": {}}},
    ]
    (tmp_path / "results.jsonl").write_text(
        "\n".join(map(json.dumps, results)) + "\n{torn", "utf-8"
    )
    report = import_batch(tmp_path / "results.jsonl", cache=tmp_path)
    assert (report.kept, report.failed, report.unusable) == (0, 1, 4)
    assert "was not exported from this cache" in report.problems[1]
    assert len(complete_many(TASK, clusters(4), client(server))) == 4
    assert len(server.bodies) == 4


def test_a_batch_larger_than_a_provider_takes_is_split(client, serve, tmp_path, monkeypatch):
    monkeypatch.setattr("reprolib.llm.exchange.BATCH_LIMIT", 2)
    files = export_batch(TASK, clusters(5), client(serve(summary)), tmp_path / "r.jsonl")
    assert [f.name for f in files] == ["r.jsonl", "r-2.jsonl", "r-3.jsonl"]
    assert [len(lines(f)) for f in files] == [2, 2, 1]


def test_two_processes_can_share_the_cache_file(serve, client, tmp_path):
    with Store(tmp_path) as first, Store(tmp_path) as second:
        assert first.answers([b"x"]) == second.answers([b"x"]) == {}
    complete_many(TASK, clusters(2), client(serve(summary)))
    with Store(tmp_path) as first, Store(tmp_path) as second:
        assert list(first.rows()) == list(second.rows())


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "llm.sqlite").write_text("hello " * 500)
    with pytest.raises(ValueError, match="not a usable cache file"):
        Store(tmp_path)
