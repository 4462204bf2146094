"""RecBole 1.2.1 as a peer: a process that trains and evaluates on command (one JSON line in, one out).

Run in the peers' environment. RecBole was written for the libraries of 2023: the names it misses are put back, nothing
of it is edited. Importing any of its sequential models turns on autograd's anomaly mode for the whole process, which
costs it about 40 % of its speed; it is turned off here, so the comparison is with RecBole at its best.
"""

import json
import logging
import os
import sys
import tempfile
import time
import types

import numpy as np
import scipy.sparse
import torch

for name, kind in (
    ("float", float),
    ("int", int),
    ("bool", bool),
    ("long", np.int64),
    ("object", object),
    ("float_", np.float64),
    ("complex_", np.complex128),
    ("unicode_", np.str_),
):
    if name not in np.__dict__:
        setattr(np, name, kind)
ray = types.ModuleType("ray")
ray.tune = types.ModuleType("ray.tune")
sys.modules.setdefault("ray", ray)
sys.modules.setdefault("ray.tune", ray.tune)
if not hasattr(scipy.sparse.dok_matrix, "_update"):
    scipy.sparse.dok_matrix._update = lambda self, pairs: self._dict.update(pairs)
original_load = torch.load
torch.load = lambda *args, **more: original_load(*args, **{"weights_only": False} | more)


def prepare(interactions: str, model: str, length: int, seed: int, loss: str, eval_batch: int):
    """Config, dataset, loaders, model and trainer on a CSV of user,item in time order."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    folder = os.path.join(tempfile.mkdtemp(), "video")
    os.makedirs(folder)
    table = np.loadtxt(interactions, dtype=np.int64, delimiter=",")
    with open(os.path.join(folder, "video.inter"), "w") as file:
        file.write("user_id:token\titem_id:token\ttimestamp:float\n")
        np.savetxt(file, np.c_[table, np.arange(len(table))], fmt="%d", delimiter="\t")
    settings = {
        "data_path": os.path.dirname(folder),
        "use_gpu": False,
        "device": "cpu",
        "show_progress": False,
        "seed": seed,
        "state": "ERROR",
        "worker": 0,
        "log_wandb": False,
        "checkpoint_dir": tempfile.mkdtemp(),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "metrics": ["Hit", "NDCG"],
        "topk": [10],
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": "user",
            "mode": "full",
        },
        "valid_metric": "NDCG@10",
        "eval_batch_size": eval_batch,
        "train_batch_size": 2048,
        "embedding_size": 64,
    }
    if model == "SASRec":
        settings |= {
            "MAX_ITEM_LIST_LENGTH": length,
            "hidden_size": 64,
            "inner_size": 64,
            "n_layers": 2,
            "n_heads": 1,
            "hidden_dropout_prob": 0.2,
            "attn_dropout_prob": 0.2,
            "hidden_act": "relu",
            "loss_type": loss,
            "train_batch_size": 256,
            "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}
            if loss == "BPR"
            else None,
        }
    arguments, sys.argv = sys.argv, ["peer"]
    config = Config(model=model, dataset="video", config_dict=settings)
    sys.argv = arguments
    logging.getLogger().setLevel(logging.ERROR)
    init_seed(seed, True)
    dataset = create_dataset(config)
    train, _, test = data_preparation(config, dataset)
    network = get_model(config["model"])(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, network)
    torch.autograd.set_detect_anomaly(False)
    return dataset, train, test, network, trainer


def steps(
    network, trainer, train, batches: float = np.inf, limit: float = np.inf
) -> tuple[int, float]:
    """Optimizer steps until so many batches or seconds; (steps, seconds)."""
    network.train()
    count, start = 0, time.perf_counter()
    while True:
        for batch in train:
            trainer.optimizer.zero_grad()
            loss = network.calculate_loss(batch)
            loss = sum(loss) if isinstance(loss, tuple) else loss
            loss.backward()
            trainer.optimizer.step()
            count += 1
            seconds = time.perf_counter() - start
            if count >= batches or seconds >= limit:
                return count, seconds


def vectors(dataset, network, test, out: str) -> None:
    """Write queries of all test users and the item table, with the raw ids that both rows belong to."""
    network.eval()
    users, queries = [], []
    with torch.no_grad():
        for batch in test:
            interaction = batch[0]
            sequence, length = interaction[network.ITEM_SEQ], interaction[network.ITEM_SEQ_LEN]
            queries.append(network.forward(sequence, length).numpy())
            users.append(interaction["user_id"].numpy())
    users = dataset.id2token("user_id", np.concatenate(users)).astype(np.int64)
    items = dataset.id2token("item_id", np.arange(1, dataset.item_num)).astype(np.int64)
    np.savez(
        out,
        users=users,
        queries=np.concatenate(queries),
        item_ids=items,
        items=network.item_embedding.weight.detach().numpy()[1:],
    )


def main() -> None:
    """Obey commands until end of input."""
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
    answers, sys.stdout = sys.stdout, sys.stderr
    state = {}
    for line in sys.stdin:
        command = json.loads(line)
        what = command.pop("do")
        if what == "prepare":
            state = dict(
                zip(
                    ("dataset", "train", "test", "network", "trainer"),
                    prepare(**command),
                    strict=True,
                )
            )
            answer = {"batches": len(state["train"])}
        elif what == "burst":
            count, seconds = steps(
                state["network"], state["trainer"], state["train"], batches=command["batches"]
            )
            answer = {"seconds_per_epoch": seconds / count * len(state["train"])}
        elif what == "train":
            count, seconds = steps(
                state["network"], state["trainer"], state["train"], limit=command["seconds"]
            )
            vectors(state["dataset"], state["network"], state["test"], command["out"])
            answer = {"epochs": count / len(state["train"]), "seconds": seconds}
        elif what == "evaluate":
            start = time.perf_counter()
            state["trainer"].evaluate(state["test"], load_best_model=False)
            answer = {"seconds": time.perf_counter() - start}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
