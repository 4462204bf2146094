"""The command line, end to end, without a network."""

import json

import pytest
from click.testing import CliRunner
from openai_server import completion

from reprolib.llm.cli import llm


@pytest.fixture
def told(tmp_path):
    """told(*arguments) -> (exit code, output)."""
    (tmp_path / "inputs.jsonl").write_text(
        "".join(
            json.dumps({"domain": "books", "item": {"title": f"Title {i}"}}) + "\n"
            for i in range(3)
        ),
        "utf-8",
    )

    def call(*arguments):
        result = CliRunner().invoke(llm, [a.replace("@", str(tmp_path)) for a in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result.exit_code, result.output

    return call


JOB = ("--task", "persona_kg/item_text", "--inputs", "@/inputs.jsonl", "--cache", "@/cache")


def test_run_show_export_and_import_tell_one_story(told, tmp_path):
    assert told("run", *JOB, "--out", "@/out.jsonl")[0] == 0
    assert [json.loads(x)["text"] for x in (tmp_path / "out.jsonl").read_text().splitlines()] == [
        "Title 0", "Title 1", "Title 2",
    ]  # fmt: skip
    assert "persona_kg/item_text" in told("show", "--cache", "@/cache")[1]
    assert "3 answers written" in told("export", "@/answers.jsonl", "--cache", "@/cache")[1]
    assert "3 answers kept, 0 failed" in told("import", "@/answers.jsonl", "--cache", "@/second")[1]
    assert "calls                       0" in told("estimate", *JOB[:4], "--cache", "@/second")[1]


def test_a_batch_leaves_and_comes_back(told, tmp_path):
    code, output = told(
        "export",
        "@/requests.jsonl",
        "--task",
        JOB[1],
        "--batch",
        JOB[3],
        "--llm",
        "openai:m",
        *JOB[4:],
    )
    assert (code, output.count("requests.jsonl")) == (0, 1)
    requests = [json.loads(x) for x in (tmp_path / "requests.jsonl").read_text().splitlines()]
    results = [{"custom_id": r["custom_id"], "response": {"status_code": 200, "body": completion('{"text": "t"}')}}
               for r in requests]  # fmt: skip
    (tmp_path / "results.jsonl").write_text("\n".join(map(json.dumps, results)))
    assert told("import", "@/results.jsonl", "--batch", *JOB[4:]) == (
        0, "3 answers kept, 0 failed their checks, 0 lines unusable\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--task", "persona_kg/item", *JOB[2:]), "did you mean persona_kg/item_text?"),
        (("run", *JOB, "--llm", "gpt"), "names no language model"),
        (
            ("estimate", "--task", "sphere/persona", *JOB[2:]),
            "sphere/persona, input 0: vocabulary: Field required",
        ),
        (("import", "@/inputs.jsonl", "--cache", "@/c"), "line 1: lacks one of the keys task"),
        (("export", "@/x", "--batch", "@/inputs.jsonl"), "--batch needs --task"),
    ],
)
def test_a_mistake_is_one_sentence_without_a_traceback(told, arguments, sentence):
    code, output = told(*arguments)
    assert code != 0
    assert sentence in output
    assert "Traceback" not in output


def test_show_lists_every_task(told):
    from reprolib.llm import all_tasks

    assert [line.split()[0] for line in told("show", "--tasks")[1].splitlines()] == list(
        all_tasks()
    )
