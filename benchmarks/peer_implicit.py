"""implicit (C++) as a peer: BPR epochs, training to a stopwatch, and full ranking with the history filtered."""

import json
import os
import sys
import time

import numpy as np
import scipy.sparse
from implicit.bpr import BayesianPersonalizedRanking

THREADS = int(os.environ.get("BENCH_THREADS", "2"))


def model_of(lr: float, reg: float, seed: int, iterations: int, d: int = 64):
    """A BPR model of implicit with our size."""
    return BayesianPersonalizedRanking(
        factors=d,
        learning_rate=lr,
        regularization=reg,
        iterations=iterations,
        num_threads=THREADS,
        random_state=seed,
        verify_negative_samples=True,
    )


def main() -> None:
    """Obey commands until end of input."""
    answers, sys.stdout = sys.stdout, sys.stderr
    matrix = model = None
    for line in sys.stdin:
        command = json.loads(line)
        what = command.pop("do")
        if what == "prepare":
            data = np.load(command["path"])
            shape = (int(data["n_users"]), int(data["n_items"]) + 1)
            ones = np.ones(len(data["user"]), np.float32)
            matrix = scipy.sparse.csr_matrix((ones, (data["user"], data["item"])), shape)
            answer = {"nnz": matrix.nnz}
        elif what == "train":
            model = model_of(command["lr"], command["reg"], command["seed"], command["epochs"])
            start = time.perf_counter()
            model.fit(matrix, show_progress=False)
            answer = {"seconds": time.perf_counter() - start}
            if command.get("out"):
                # its factors carry a bias column each, so that a product of rows is the score
                np.savez(command["out"], users=model.user_factors, items=model.item_factors)
        elif what == "vectors":
            from implicit.als import AlternatingLeastSquares

            data = np.load(command["path"])
            model = AlternatingLeastSquares(
                factors=data["items"].shape[1], use_gpu=False, num_threads=THREADS
            )
            model.user_factors, model.item_factors = data["queries"], data["items"]
            ones = np.ones(len(data["seen"]), np.float32)
            shape = (len(data["queries"]), len(data["items"]))
            matrix = scipy.sparse.csr_matrix((ones, data["seen"], data["ptr"]), shape)
            answer = {"users": shape[0]}
        elif what == "rank":
            ids = np.arange(command["users"])
            start = time.perf_counter()
            model.recommend(ids, matrix[: len(ids)], N=10)
            answer = {"seconds": time.perf_counter() - start}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
