"""open_llm, the local model, and a server of the ecosystem that is not ours."""

import math
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from openai_server import completion, toy_task

from reprolib.llm import LLMError, Store, complete, complete_many, open_llm, task_named
from reprolib.llm.task import Record


class Told(Record):
    told: str


# A random model writes no JSON: this task takes any text.
ANY = toy_task(
    name="toy/any",
    output=Told,
    parse=lambda given, text: {"told": text},
    check=lambda g, o: [],
    max_tokens=6,
)
YES_NO = {"history": ({"title": "A quiet walk"},), "candidate": {"title": "A loud run"}}


def test_the_package_loads_neither_torch_nor_openai():
    heavy = ("torch", "openai", "transformers", "sklearn")
    code = f"import sys, reprolib.llm; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


@pytest.mark.parametrize("spec", ["gpt", "openai:", "hf:", "replay:", "embedded:x", "openai"])
def test_an_unknown_back_end_is_answered_with_the_known_ones(spec):
    with pytest.raises(ValueError, match=r"openai:MODEL@BASE_URL"):
        open_llm(spec)


def test_the_label_tells_the_model_and_not_the_address():
    assert open_llm("openai:org/model@7b@http://host:1/v1").label == "openai:org/model@7b"
    assert open_llm().label == "embedded-minilm"


def test_a_local_model_answers_alike_each_time_and_is_cached_by_its_weights(tiny_model, tmp_path):
    llm = open_llm(f"hf:{tiny_model}", cache=tmp_path / "a")
    first = complete(ANY, {"n": 3}, llm)
    again = open_llm(f"hf:{tiny_model}", cache=tmp_path / "b")
    assert complete(ANY, {"n": 3}, again) == first
    assert llm.label.startswith("hf:tiny-")
    assert str(tiny_model.parent) not in llm.label
    with Store(tmp_path / "a") as store:
        assert store.ledger()[0]["completion_tokens"] == 6


def test_sampling_is_seeded_by_the_conversation(tiny_model, tmp_path):
    warm = toy_task(
        name="toy/warm",
        output=Told,
        parse=ANY.parse,
        check=lambda g, o: [],
        max_tokens=12,
        temperature=1.0,
    )
    texts = []
    for cache in ("a", "b"):
        llm = open_llm(f"hf:{tiny_model}", cache=tmp_path / cache)
        answers = complete_many(warm, [{"n": 1}, {"n": 2}], llm)
        texts.append([answer.told for answer in answers])
    first, again = texts
    assert first == again
    assert first[0] != first[1]


def test_a_local_models_choices_have_the_probabilities_of_its_next_token(tiny_model, tmp_path):
    import torch

    task = toy_task(
        name="toy/choice",
        output=task_named("rerank/pointwise").output,
        check=lambda g, o: [],
        choices=("a", "b"),
    )
    llm = open_llm(f"hf:{tiny_model}", cache=tmp_path)
    told = complete(task, {"n": 1}, llm).log_probs
    model, tokenizer = llm._load()
    text = tokenizer.apply_chat_template(
        task.messages(task.input(n=1)), tokenize=False, add_generation_prompt=True
    )
    with torch.inference_mode():
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        share = model(ids).logits[0, -1].softmax(-1)
    for letter in "ab":  # both cases of a letter count as the choice
        expected = sum(share[tokenizer.convert_tokens_to_ids(x)] for x in (letter, letter.upper()))
        assert told[letter] == pytest.approx(math.log(float(expected)), abs=1e-4)


def test_a_prompt_longer_than_the_model_is_refused_in_numbers(tiny_model, tmp_path):
    task = toy_task(prompt=lambda given: "x" * 3000)
    with pytest.raises(LLMError, match=r"the prompt has 3\d\d\d tokens"):
        complete(task, {"n": 1}, open_llm(f"hf:{tiny_model}", cache=tmp_path))


def test_a_missing_model_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(LLMError, match="hf:no/such cannot be loaded"):
        complete(ANY, {"n": 1}, open_llm("hf:no/such", cache=tmp_path))


def test_likelihoods_of_a_server_are_summed_over_spellings(serve, client, tmp_path):
    top = [{"token": " Yes", "logprob": math.log(0.5)}, {"token": "yes", "logprob": math.log(0.2)},
           {"token": "No", "logprob": math.log(0.1)}]  # fmt: skip
    body = completion("Yes")
    body["choices"][0]["logprobs"] = {
        "content": [{"token": " Yes", "logprob": math.log(0.5), "top_logprobs": top}]
    }
    server = serve(lambda asked, n: (200, {}, body))
    told = complete(task_named("rerank/pointwise"), YES_NO, client(server))
    assert told.log_probs["Yes"] == pytest.approx(math.log(0.7))
    assert told.share()["No"] == pytest.approx(0.1 / 0.8)
    assert server.bodies[0]["max_tokens"] == 1
    assert server.bodies[0]["top_logprobs"] == 20


def test_a_server_without_likelihoods_stops_the_job_in_one_sentence(serve, client, tmp_path):
    with pytest.raises(LLMError, match="returns no log-probabilities"):
        complete(task_named("rerank/pointwise"), YES_NO, client(serve(lambda b, n: "Yes")))


@pytest.fixture(scope="module")
def foreign_server(tiny_model):
    """`transformers serve` with the tiny model; its address."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from transformers.cli.transformers import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "serve",
        str(tiny_model),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    process = subprocess.Popen(
        [*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(240):
            if process.poll() is not None:
                pytest.fail(f"transformers serve ended with {process.returncode}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)


def test_somebody_elses_server_gives_what_the_model_gives_in_process(
    foreign_server, tiny_model, tmp_path
):
    spec = f"openai:{tiny_model}@{foreign_server}"
    remote = open_llm(spec, workers=2, retries=1, cache=tmp_path / "remote")
    local = open_llm(f"hf:{tiny_model}", cache=tmp_path / "local")
    there = complete_many(ANY, [{"n": i} for i in range(4)], remote)
    here = complete_many(ANY, [{"n": i} for i in range(4)], local)
    assert [a.told for a in there] == [a.told for a in here]


def test_somebody_elses_server_that_knows_no_structured_output_is_still_asked(
    foreign_server, tiny_model, tmp_path
):
    spec = f"openai:{tiny_model}@{foreign_server}"
    remote = open_llm(spec, workers=1, retries=1, cache=tmp_path)
    task = toy_task(max_tokens=4)
    (failure,) = complete_many(task, [{"n": 1}], remote, reasks=1, on_failure="return")
    assert failure.attempts == 2
    assert "no complete JSON object" in failure.reason or "empty" in failure.reason
