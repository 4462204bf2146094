"""Exact full ranking by a score that is no dot product (NeuMF's kind: an MLP over user and item) of all Video users.

    python benchmarks/bench_scorer.py [--users 2048]

Prints users per second for an MLP whose first layer is split between user and item, and for a dot product scored
through the same function, beside the compiled path that dot products take.
"""

import argparse

import torch
from common import THREADS, show, timed, video
from torch import Tensor, nn


def main(users: int) -> None:
    """Rank a sample of the test events in three ways."""
    from reprolib.evaluate.ranking import full_rank, rank_by_scores

    torch.set_num_threads(int(THREADS))
    split, _ = video()
    _, pointers, seen = split.seen("test")
    target = torch.from_numpy(split.item[split.held_out("test")[1]])[:users]
    pointers = torch.from_numpy(pointers)[: users + 1]
    seen = torch.from_numpy(seen)[: int(pointers[-1])]
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(users, 64, generator=generator)
    items = torch.randn(split.n_items + 1, 64, generator=generator)
    of_user, of_item = nn.Linear(64, 32), nn.Linear(64, 32, bias=False)
    out = nn.Linear(32, 1)

    def mlp(a: int, b: int) -> Tensor:
        hidden = torch.relu(of_user(queries[a:b])[:, None] + of_item(items)[None])
        return out(hidden)[..., 0]

    def product(a: int, b: int) -> Tensor:
        return queries[a:b] @ items.T

    def by_scores(scores, block: int) -> None:
        with torch.no_grad():
            rank_by_scores(scores, users, target, pointers, seen, 1, split.n_items, block=block)

    ways = {
        "dot product, compiled tiles": lambda: full_rank(queries, items, target, pointers, seen),
        "dot product as a function": lambda: by_scores(product, 256),
        "MLP 64-32-1 as a function": lambda: by_scores(mlp, 32),
    }
    rows = []
    for name, run in ways.items():
        run()
        seconds = timed(run, 3)
        rows.append({"score": name, "users/s": [users / s for s in seconds], "seconds": seconds})
    show(f"Exact ranks of {users:,} users among {split.n_items:,} items", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2048)
    main(parser.parse_args().users)
