"""The digest of a stored run covers the code that made it: what it imports, no comment, and nothing else."""

import json
import os
import subprocess
import sys

import pytest

from reprolib.runs import digest
from reprolib.runs.digest import closure, code_digest, is_infrastructure
from reprolib.runs.systems import SYSTEMS

# trains every system for one epoch, each in a process of its own, and says which of our modules each one loaded
LOADED = """
import json, os, sys
import torch, transformers, pandas, polars, scipy.sparse, scipy.stats, numba, sklearn, pyarrow.parquet, tqdm.auto
torch.set_num_threads(1)
systems = json.loads(sys.argv[1])
for name, (dataset, direction, options) in systems.items():
    reading, writing = os.pipe()
    if os.fork() == 0:
        from reprolib.data.datasets import load_dataset
        from reprolib.runs.systems import options_of, train
        from reprolib.training.ranks import rank_fitted

        data = load_dataset(dataset, direction)
        own = {k: v for k, v in options.items() if k in options_of(name)}
        rank_fitted(train(name, data, progress=False, **own), data.split, system=name)
        with os.fdopen(writing, "w") as pipe:
            json.dump(sorted(m for m in sys.modules if m.split(".")[0] == "reprolib"), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        print(json.dumps([name, json.load(pipe)]), flush=True)
    os.wait()
"""
SHORT = {
    "epochs": 1,
    "dim": 8,
    "length": 5,
    "generator_epochs": 5,
    "pairs": 4,
    "per_user": 1,
    "lm_samples": 8,
}
SHORT |= {"lm_epochs": 1, "train_history": 1, "tune_batch": 4, "tune_epochs": 1, "graph_epochs": 1}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """{system: our modules that a run of one epoch has loaded}."""
    jobs = {}
    for name, system in SYSTEMS.items():
        reads_reviews = "rerank" in system.module or "persona4rec" in system.module
        place = (
            ("world-smoke/books2023", "books2023")
            if reads_reviews
            else ("world-smoke/food-kitchen", "food->kitchen")
        )
        if "sphere" in system.module:
            place = ("world-smoke/books | world-smoke/games", "games->books")
        jobs[name] = (*place, SHORT)
    command = [sys.executable, "-c", LOADED, json.dumps(jobs)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert set(found) == set(SYSTEMS), done.stderr[-2000:]
    return found


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_module_that_a_run_loads_is_in_its_digest_or_infrastructure(system, loaded):
    covered = closure(SYSTEMS[system].module) | closure(digest.RANKING)
    missing = [
        name for name in loaded[system] if name not in covered and not is_infrastructure(name)
    ]
    assert missing == []


def test_a_reranker_does_not_depend_on_another_rerankers_code():
    assert not any(
        "align" in name or "exp3rt" in name for name in closure("reprolib.rerankers.zs_llm")
    )
    assert "reprolib.rerankers.tasks" in closure("reprolib.rerankers.zs_llm")
    assert "reprolib.papers.persona4rec.index.kernels" in closure(
        "reprolib.papers.persona4rec.systems"
    )


def test_a_comment_a_docstring_and_layout_do_not_count_and_a_statement_does(tmp_path, monkeypatch):
    path = tmp_path / "module.py"

    def digest_after(text):
        path.write_text(text)
        digest._source_digest.cache_clear()
        return digest._source_digest(path)

    plain = digest_after("def f(x):\n    return x + 1\n")
    assert (
        digest_after(
            'def f(x):\n    """Adds one."""\n    # why not\n    return (x +\n            1)\n'
        )
        == plain
    )
    assert digest_after("def f(x):\n    return x - 1\n") != plain


def test_the_code_that_matters_is_what_a_system_imports():
    names = closure("reprolib.baselines.sasrec")
    assert {"reprolib.baselines.sasrec", "reprolib.nn.encoder", "reprolib.training.loop"} <= names
    assert not {"reprolib.baselines.bpr_mf", "reprolib.report.tables"} & names
    assert code_digest("reprolib.baselines.sasrec") != code_digest("reprolib.baselines.bpr_mf")
