"""The service as a process of its own, asked by a real HTTP client, alone and under load; the commands."""

import asyncio
import random
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from reprolib.papers.persona4rec.index.index import PersonaIndex
from reprolib.papers.persona4rec.serving.cli import persona4rec

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("usearch")

EVIL = "</script><script>alert('x')</script> & \x1b[31mred"
ITEMS, USERS = 60, 12


def small_index():
    """60 items x 2 personas and 12 users in 8 dimensions; the first persona of item b1 was written by an attacker."""
    source = np.random.default_rng(0)
    texts = pd.DataFrame(
        {
            "title": "Title",
            "name": [EVIL, *(f"Persona {r}" for r in range(1, 2 * ITEMS))],
            "description": "d",
            "rationale": "r",
        }
    )
    vectors, history = (
        source.standard_normal((n, 8)).astype(np.float32) for n in (2 * ITEMS, 2 * USERS)
    )
    history[:2] = vectors[0]
    return PersonaIndex(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        np.repeat(np.arange(1, ITEMS + 1), 2),
        texts,
        history,
        np.repeat(np.arange(USERS), 2),
        items=[f"b{i}" for i in range(1, ITEMS + 1)],
        users=[f"u{u}" for u in range(USERS + 1)],
        about={"dataset": "none"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    index = small_index()
    index.build_graph(threads=1)
    return index.save(tmp_path_factory.mktemp("service") / "index")


@pytest.fixture(scope="module")
def address(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from reprolib.cli import main; main()",
        "persona4rec",
        "serve",
        str(folder),
    ]
    server = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{address}/health")
            break
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the service did not start: {server.stderr.read().decode()[-500:]}")
            time.sleep(0.1)
    yield address
    server.terminate()
    assert server.wait(10) is not None


def test_health_says_what_is_served(address):
    told = httpx.get(f"{address}/health").json()
    assert told == {
        "status": "ok",
        "width": 8,
        "approximate": True,
        "items": 60,
        "rows": 120,
        "users": 12,
        "bytes": (120 + 24) * 8 * 4,
        "about": {"dataset": "none"},
    }


def test_the_answer_is_that_of_the_index_with_its_explanation(address, folder):
    asked = {"user": "u3", "candidates": ["b7", "b2", "b40"], "k": 2}
    answer = httpx.post(f"{address}/rerank", json=asked).json()
    assert answer == {"user": "u3", "items": PersonaIndex.load(folder).rerank(3, [7, 2, 40], 2)}
    assert answer["items"][0]["name"].startswith("Persona ")


def test_an_unknown_candidate_stays_at_the_bottom_under_its_own_name(address):
    items = httpx.post(
        f"{address}/rerank", json={"user": "u3", "candidates": ["zz", "b2", "yy"]}
    ).json()["items"]
    assert [i["item"] for i in items] == ["b2", "zz", "yy"]
    assert [i["score"] for i in items][1:] == [None, None]


@pytest.mark.parametrize("exact", [True, False])
def test_recommend_answers_from_the_catalogue_without_what_the_client_names(address, folder, exact):
    index = PersonaIndex.load(folder)
    best = index.answer(*index.recommend(index.user_vector(5), 4))
    asked = {"user": "u5", "k": 3, "exact": exact, "without": [best[0]["item"]]}
    assert httpx.post(f"{address}/recommend", json=asked).json()["items"] == best[1:]


def test_markup_from_reviews_leaves_the_service_inert_and_arrives_unchanged(address):
    reply = httpx.post(f"{address}/rerank", json={"user": "u0", "candidates": ["b1"]})
    assert b"<" not in reply.content
    assert b"&" not in reply.content
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.json()["items"][0]["name"] == EVIL


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"user": "nobody", "candidates": ["b1"]}, 404),
        ({"user": "u12", "candidates": ["b1"]}, 404),  # known, but without an interaction
        ({"user": "u1", "candidates": []}, 422),
        ({"user": "u1", "candidates": ["b1"] * 1001}, 422),
        ({"user": "u1", "candidates": ["x" * 201]}, 422),
        ({"user": "u1", "candidates": ["b1"], "k": 0}, 422),
        ({"user": "u1", "candidates": ["b1"], "temperature": 1}, 422),
        ({"user": 1, "candidates": ["b1"]}, 422),
        ({"candidates": ["b1"]}, 422),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(address, asked, status):
    reply = httpx.post(f"{address}/rerank", json=asked)
    assert reply.status_code == status
    assert reply.json()["detail"]


def test_a_body_that_is_no_json_is_refused(address):
    assert httpx.post(f"{address}/rerank", content=b"{nope").status_code == 422


def test_under_load_every_answer_is_right(address, folder):
    """16 clients at once, 25 requests each, some of them bad: nobody gets another's answer, nothing is dropped."""
    index = PersonaIndex.load(folder)

    async def client(number):
        source, wrong = random.Random(number), 0
        async with httpx.AsyncClient(base_url=address) as http:
            for turn in range(25):
                user, wanted, bad = (
                    source.randrange(USERS),
                    source.sample(range(1, ITEMS + 1), 20),
                    turn % 5 == 4,
                )
                asked = {
                    "user": "nobody" if bad else f"u{user}",
                    "candidates": [f"b{i}" for i in wanted],
                }
                reply = await http.post("/rerank", json=asked)
                wrong += (
                    reply.status_code != 404
                    if bad
                    else reply.json()["items"] != index.rerank(user, wanted)
                )
                if turn % 5 == 0:
                    reply = await http.post(
                        "/recommend", json={"user": f"u{user}", "k": 2, "exact": turn % 2 == 0}
                    )
                    wrong += reply.json()["items"] != index.answer(
                        *index.recommend(index.user_vector(user), 2)
                    )
        return wrong

    async def everybody():
        return sum(await asyncio.gather(*map(client, range(16))))

    assert asyncio.run(everybody()) == 0


def test_query_shows_the_order_and_keeps_control_characters_from_the_terminal(folder):
    shown = CliRunner().invoke(
        persona4rec, ["query", str(folder), "--user", "u0", "--candidates", "b9,b1", "-k", "1"]
    )
    assert shown.exit_code == 0, shown.output
    assert shown.output.split()[:3] == ["1", "1.000", "b1"]
    assert "\x1b" not in shown.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody"], "user 'nobody' is not in this index; it has 13, the first is 'u0'"),
        (["--user", "u12"], "has no interaction"),
        (["--user", "u1", "--candidates", "b1,zz"], "item 'zz' is not in this index"),
    ],
)
def test_query_says_in_one_sentence_what_is_wrong(folder, arguments, words):
    shown = CliRunner().invoke(persona4rec, ["query", str(folder), *arguments])
    assert shown.exit_code == 1
    assert words in shown.output
    assert len(shown.output.strip().splitlines()) == 1
