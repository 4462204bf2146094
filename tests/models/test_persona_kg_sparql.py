"""Linking by a SPARQL endpoint, tried against a small server on this machine."""

import http.server
import json
import threading
from urllib.parse import parse_qs

import pandas as pd
import pytest

from reprolib.data.corpus import DataError
from reprolib.papers.persona_kg import sparql
from reprolib.papers.persona_kg.linking import LABEL, WANTED, link_items, resource_table


@pytest.fixture
def endpoint():
    """(address, questions it got, the text it answers next)."""
    questions, answer = [], {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            questions.append(parse_qs(body.decode())["query"][0])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer["text"].encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/sparql", questions, answer
    server.shutdown()
    server.server_close()


def bindings(*rows):
    named = [
        {name: {"value": value} for name, value in zip("spo", row, strict=True)} for row in rows
    ]
    return json.dumps({"results": {"bindings": named}})


def test_items_are_linked_by_what_an_endpoint_answers(endpoint):
    address, questions, answer = endpoint
    dune = "http://dbpedia.org/resource/Dune_(novel)"
    author = "http://dbpedia.org/ontology/author"
    answer["text"] = bindings(
        (dune, LABEL, "Dune (novel)"), (dune, author, "http://dbpedia.org/resource/Frank_Herbert")
    )
    facts = sparql.ask_endpoint(address, ["Dune", "Dune", ""], WANTED)
    items = pd.DataFrame({"item": ["1"], "title": ["Dune"], "creator": ["Frank Herbert"]})
    links = link_items(items, resource_table(facts))
    assert links.table["resource"].tolist() == ["Dune_(novel)"]
    assert len(questions) == 1
    assert f"<{author}>" in questions[0]


def test_a_title_cannot_leave_its_string(endpoint):
    address, questions, answer = endpoint
    answer["text"] = bindings()
    sparql.ask_endpoint(address, ['Say "no" } \n DROP \\'], WANTED)
    assert r'VALUES ?label { "Say \"no\" } DROP \\"@en }' in questions[0]


def test_many_labels_make_several_questions(endpoint):
    address, questions, answer = endpoint
    answer["text"] = bindings()
    sparql.ask_endpoint(address, [f"title {n}" for n in range(120)], WANTED)
    assert len(questions) == 3


def test_an_endpoint_that_says_something_else_or_nothing_is_a_sentence(endpoint):
    address, _, answer = endpoint
    answer["text"] = "<html>busy</html>"
    with pytest.raises(DataError, match=r"is not SPARQL's JSON"):
        sparql.ask_endpoint(address, ["Dune"], WANTED)
    with pytest.raises(DataError, match=r"no answer .* N-Triples snapshot"):
        sparql.ask_endpoint("http://127.0.0.1:9/sparql", ["Dune"], WANTED)
