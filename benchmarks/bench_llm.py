"""How fast the language layer is: cached answers, calls against a server that takes 50 ms, sentences through MiniLM.

python benchmarks/bench_llm.py    about two minutes on an idle machine of two cores; needs no network
"""

import asyncio
import json
import multiprocessing
import tempfile
import time

DELAY = 0.05
CACHED = 100_000
ANSWER = {"summary": "a taste for numbered things"}


def completion() -> bytes:
    """The one reply of the echo server, as HTTP."""
    message = {"role": "assistant", "content": json.dumps(ANSWER)}
    body = json.dumps({
        "id": "x", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }).encode()  # fmt: skip
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reply to every request of a connection after DELAY."""
    reply = completion()
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(h.split(b":")[1])
                for h in head.split(b"\r\n")
                if h.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            await asyncio.sleep(DELAY)
            writer.write(reply)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def echo_server(port) -> None:
    """Run the server in a process of its own and tell its port."""

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def inputs(n: int) -> list[dict]:
    """n different clusters of one item."""
    return [{"domain": "books", "items": [{"title": f"Title {i}"}]} for i in range(n)]


def bench_server(port: int) -> None:
    """Calls per second by number of workers; the server's limit is workers / DELAY."""
    from reprolib.llm import complete, complete_many, open_llm, task_named

    task = task_named("llm_edt/summarize")
    for workers in (1, 8, 16, 32, 64):
        with tempfile.TemporaryDirectory() as cache:
            llm = open_llm(f"openai:m@http://127.0.0.1:{port}/v1", workers=workers, cache=cache)
            warm = {"domain": "warm", "items": [{"title": "up"}]}
            complete(task, warm, llm)  # connect, import
            n = 40 * workers
            start = time.perf_counter()
            complete_many(task, inputs(n), llm, progress=False)
            rate = n / (time.perf_counter() - start)
        print(
            f"{workers:3} workers  {rate:7.1f} calls/s  {rate * DELAY / workers:6.1%} of the server's limit"
        )


def bench_cache() -> None:
    """Seconds to read CACHED answers through complete_many, validated."""
    from reprolib.llm import Store, complete_many, open_llm, task_named
    from reprolib.llm.answers import digest
    from reprolib.llm.complete import read_inputs

    task, llm = task_named("llm_edt/summarize"), open_llm("openai:m")
    given = read_inputs(task, inputs(CACHED))
    with tempfile.TemporaryDirectory() as cache:
        with Store(cache) as store:
            rows = [(digest(task, llm, g), task.name, task.version, llm.name, llm.model, g.model_dump_json(),
                     json.dumps(ANSWER)) for g in given]  # fmt: skip
            store._db.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        start = time.perf_counter()
        answers = complete_many(task, given, llm, cache=cache)
        print(
            f"{len(answers):,} cached answers read and validated in {time.perf_counter() - start:.2f} s"
        )


def bench_encoder(n: int = 2000) -> None:
    """Sentences per second, computed and cached."""
    from reprolib.text import encode, load_encoder

    texts = [
        f"Sentence {i} of a review says that the story was fine and the ending was not."
        for i in range(n)
    ]
    load_encoder()
    with tempfile.TemporaryDirectory() as cache:
        for state in ("computed", "cached"):
            start = time.perf_counter()
            encode(texts, cache=cache, progress=False)
            print(f"MiniLM: {n / (time.perf_counter() - start):10,.0f} sentences/s {state}")


if __name__ == "__main__":
    queue = multiprocessing.Queue()
    server = multiprocessing.Process(target=echo_server, args=(queue,), daemon=True)
    server.start()
    bench_server(queue.get())
    server.terminate()
    bench_cache()
    bench_encoder()
