"""Exact full ranking of all Video users (31k x 24k, d 64) beside RecBole at its best batch and implicit, in turns.

    python benchmarks/bench_ranking.py [--repeats 5]

reprolib gives every user's exact rank with ties and history; RecBole and implicit give top-10 lists with history left
out, which is less. RecBole ranks with its BPR model, so that its encoder costs nothing.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import THREADS, Peer, show, timed, verdict, video


def main(repeats: int) -> None:
    """Rank in turns and print users per second."""
    import torch

    from reprolib.evaluate.ranking import full_rank

    torch.set_num_threads(int(THREADS))
    split, path = video()
    users, where = split.held_out("test")
    _, ptr, seen = split.seen("test")
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(len(users), 64, generator=generator)
    items = torch.randn(split.n_items + 1, 64, generator=generator)
    given = [torch.from_numpy(x) for x in (split.item[where], ptr, seen)]
    out = Path(tempfile.mkdtemp()) / "vectors.npz"
    np.savez(out, queries=queries.numpy(), items=items.numpy(), ptr=ptr, seen=seen)

    implicit, recbole = Peer("peer_implicit.py"), Peer("peer_recbole.py")
    implicit.ask("vectors", path=str(out))
    recbole.ask(
        "prepare",
        interactions=str(path),
        model="BPR",
        length=50,
        seed=0,
        loss="BPR",
        eval_batch=4096 * 24000,
    )
    sample = 16_384

    def ours():
        full_rank(queries, items, *given)

    ours(), implicit.ask("rank", users=sample), recbole.ask("evaluate")
    seconds = {"reprolib": [], "implicit": [], "RecBole, ~4k users a batch": []}
    for _ in range(repeats):
        seconds["reprolib"] += timed(ours, 2)
        seconds["implicit"].append(
            implicit.ask("rank", users=sample)["seconds"] * len(users) / sample
        )
        seconds["RecBole, ~4k users a batch"].append(recbole.ask("evaluate")["seconds"])
    implicit.close(), recbole.close()
    speed = {name: [len(users) / s for s in values] for name, values in seconds.items()}
    show(
        f"Full ranking, {len(users):,} users x {split.n_items:,} items",
        [
            {"system": name, "users/s": speed[name], "seconds for all": seconds[name]}
            for name in speed
        ],
    )
    median = {name: float(np.median(values)) for name, values in speed.items()}
    verdict(
        [
            (
                f"at least {least} times {name}: {median['reprolib'] / median[name]:.1f}",
                median["reprolib"] >= least * median[name],
            )
            for name, least in (("RecBole, ~4k users a batch", 6), ("implicit", 2.5))
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    main(parser.parse_args().repeats)
