"""Requests per second and latency of `reprolib persona4rec serve`, with server and clients on the same two cores.

    python benchmarks/persona4rec_service.py [--seconds 20] [--items 20000] [--width 384]

Closed loop: CONNECTIONS clients ask again as soon as they are answered: the service's capacity. Open loop: RATE
requests a second start at random times whether or not earlier ones are answered, and latency counts from the planned
start, so that a stall is not hidden. The client is plain asyncio in a process of its own; the data are synthetic.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from common import show, verdict

from reprolib.papers.persona4rec.serving.index_costs import synthetic

CONNECTIONS, RATE, CANDIDATES = 4, 500, 20
HEAD = b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def service(folder: str, port) -> None:
    """Serve the folder on a free port and tell it."""
    import socket

    from reprolib.papers.persona4rec.index.index import PersonaIndex
    from reprolib.papers.persona4rec.serving.service import serve

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    port.put(number)
    serve(PersonaIndex.load(folder), "127.0.0.1", number)


class Client:
    """One kept-alive connection that posts to /rerank."""

    def __init__(self, port: int, users: int, items: int):
        self.port, self.users, self.items = port, users, items

    async def connect(self) -> "Client":
        """Open the connection."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def ask(self) -> None:
        """One request for a random user with random candidates; the answer must be 200 and whole."""
        wanted = [f"i{code}" for code in random.sample(range(1, self.items + 1), CANDIDATES)]
        body = json.dumps(
            {"user": f"u{random.randrange(self.users)}", "candidates": wanted}
        ).encode()
        self.writer.write(HEAD % len(body) + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(h.split(b":")[1])
            for h in answer.split(b"\r\n")
            if h.lower().startswith(b"content-length")
        )
        content = await self.reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 200") or content.count(b'"score"') != CANDIDATES:
            raise RuntimeError(f"a bad answer: {answer[:60]!r} {content[:200]!r}")


async def closed_loop(clients: list[Client], seconds: float) -> tuple[list[float], float]:
    """(latencies, requests per second) when every client asks without pause."""
    latencies, began = [], time.perf_counter()

    async def work(client):
        while (now := time.perf_counter()) < began + seconds:
            await client.ask()
            latencies.append(time.perf_counter() - now)

    await asyncio.gather(*map(work, clients))
    return latencies, len(latencies) / (time.perf_counter() - began)


async def open_loop(
    clients: list[Client], seconds: float, rate: float
) -> tuple[list[float], float]:
    """(latencies from the planned start, requests per second) with random starts at that mean rate."""
    free: asyncio.Queue = asyncio.Queue()
    for client in clients:
        free.put_nowait(client)
    latencies, began, tasks, at = [], time.perf_counter(), [], 0.0

    async def one(planned):
        client = await free.get()
        await client.ask()
        latencies.append(time.perf_counter() - planned)
        free.put_nowait(client)

    while (at := at + random.expovariate(rate)) < seconds:
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        tasks.append(asyncio.create_task(one(began + at)))
    await asyncio.gather(*tasks)
    return latencies, len(latencies) / (time.perf_counter() - began)


async def measure(port: int, users: int, items: int, seconds: float) -> dict:
    """Both loops, after a second of warm-up."""
    random.seed(0)
    clients = [await Client(port, users, items).connect() for _ in range(32)]
    await closed_loop(clients[:CONNECTIONS], 1)
    return {
        f"closed loop, {CONNECTIONS} connections": await closed_loop(
            clients[:CONNECTIONS], seconds
        ),
        f"open loop, {RATE} requests/s": await open_loop(clients, seconds, RATE),
    }


def main(seconds: float, items: int, width: int) -> None:
    """Build, serve, ask, print."""
    with tempfile.TemporaryDirectory() as folder:
        index = synthetic(items, width, half=False)
        index.save(Path(folder) / "index")
        port = multiprocessing.Queue()
        server = multiprocessing.Process(
            target=service, args=(f"{folder}/index", port), daemon=True
        )
        server.start()
        number, deadline = port.get(), time.monotonic() + 60
        while True:
            try:
                asyncio.run(Client(number, 1, items).connect())
                break
            except OSError:
                if time.monotonic() > deadline or not server.is_alive():
                    raise
                time.sleep(0.1)
        found = asyncio.run(measure(number, len(index.users), items, seconds))
        server.terminate()
    rows = [
        {
            "load": name,
            "requests/s": rate,
            "median ms": float(np.median(ms)) * 1e3,
            "p99 ms": float(np.quantile(ms, 0.99)) * 1e3,
            "worst ms": max(ms) * 1e3,
            "requests": len(ms),
        }
        for name, (ms, rate) in found.items()
    ]
    show(
        f"Service, {items:,} items x 5 personas, width {width}, {CANDIDATES} candidates with explanations",
        rows,
    )
    verdict(
        [
            (
                f"at least 500 requests/s ({rows[0]['requests/s']:.0f}), p99 below 10 ms ({rows[0]['p99 ms']:.2f})",
                rows[0]["requests/s"] >= 500 and rows[0]["p99 ms"] < 10,
            ),
            (
                f"at {RATE} requests/s, p99 below 10 ms ({rows[1]['p99 ms']:.2f})",
                rows[1]["p99 ms"] < 10,
            ),
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=384)
    arguments = parser.parse_args()
    main(arguments.seconds, arguments.items, arguments.width)
