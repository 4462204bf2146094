"""A server that speaks the OpenAI chat protocol and misbehaves as told, and a toy task."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import Field

from reprolib.llm.task import Given, Record, Task, block


class Number(Given):
    n: int


class Doubled(Record):
    twice: int
    note: str = Field("", max_length=100)


def toy_task(**changes) -> Task:
    """Double a number; the validator knows the right answer."""
    settings = {
        "name": "toy/double",
        "version": 1,
        "about": "twice the number",
        "input": Number,
        "output": Doubled,
        "prompt": lambda given: f"Double it. {block('number', given.n)}",
        "check": lambda given, out: (
            [] if out.twice == 2 * given.n else [f"{out.twice} is not twice {given.n}"]
        ),
        "rule": lambda given, tools: Doubled(twice=2 * given.n),
        "reads": lambda given: [],
    }
    return Task(**(settings | changes))


def asked_number(body: dict) -> int:
    """The number inside the first question of a conversation."""
    return int(body["messages"][1]["content"].split("<number>")[1].split("<")[0])


def answer_of(body: dict) -> str:
    """The right answer to the toy task."""
    return json.dumps({"twice": 2 * asked_number(body)})


class Server(ThreadingHTTPServer):
    """`behave(body, n)`, n counting from 1, returns an answer, a (status, headers, data) triple, "hang" or "cut"."""

    daemon_threads = True

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.bodies, self.lock = behave, [], threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        pass  # clients that gave up are part of the tests


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body["_authorization"] = self.headers.get("Authorization", "")
        with self.server.lock:
            self.server.bodies.append(body)
            n = len(self.server.bodies)
        act = self.server.behave(body, n)
        if act == "hang":
            time.sleep(1.5)
            self.close_connection = True
            return
        status, headers, data = act if isinstance(act, tuple) else (200, {}, completion(act))
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if act != "cut":
            self.wfile.write(raw)
        else:
            self.wfile.write(raw[: len(raw) // 2])
            self.wfile.flush()
            self.close_connection = True


def completion(text, finish: str = "stop") -> dict:
    """A chat completion as the protocol writes it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
