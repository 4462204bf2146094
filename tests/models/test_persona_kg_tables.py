"""The tables of notebook 31, from ranks whose means are known."""

import dataclasses
import re
import types

import numpy as np
import pandas as pd
import pytest
from toy import corpus

from reprolib.data.origin import Origin
from reprolib.data.split import leave_one_out
from reprolib.evaluate.rank_table import RANK_COLUMNS
from reprolib.papers.persona_kg import session_tables
from reprolib.papers.persona_kg.graph import hide_users
from reprolib.runs.state import NO_VERDICT


@dataclasses.dataclass
class Ranked:
    """What the tables read of a Grid."""

    ranks: pd.DataFrame
    cost: pd.DataFrame
    origin: Origin = dataclasses.field(default_factory=Origin)
    cells: list = dataclasses.field(default_factory=list)

    def __add__(self, other):
        return Ranked(
            pd.concat([self.ranks, other.ranks], ignore_index=True),
            pd.concat([self.cost, other.cost], ignore_index=True),
        )

    def where(self, system):
        return Ranked(
            self.ranks[self.ranks["system"] == system], self.cost[self.cost["system"] == system]
        )


FACTORS = {"dataset": "toy", "direction": "d", "protocol": "leave-one-out"}


def grid(name, ranks, *, on="", variant="", seeds=(0, 1), steps=10):
    """A grid of one system whose users have these ranks (the same for every seed) among 200 items."""
    tables, cost = [], []
    for seed in seeds:
        who = {"system": name, "variant": variant, "on": on, "seed": seed, **FACTORS}
        of_user = {
            "user": range(len(ranks)),
            "rank": np.asarray(ranks, float),
            "candidates": 200,
            "item_count": 9,
            "item_place": [0.1 if user % 2 else 0.9 for user in range(len(ranks))],
            "history": 5,
        }
        tables.append(pd.DataFrame({**who, "negatives": 0, **of_user})[list(RANK_COLUMNS)])
        looks = {"steps": steps, "looks": 20 * (steps > 0), "best_look": 5 * (steps > 0)}
        ended = "patience" if steps else ""
        label = f"{name} on {on}" if on else name
        cost.append({**who, "label": label, "ended": ended, **looks})
    return Ranked(pd.concat(tables, ignore_index=True), pd.DataFrame(cost))


def test_what_is_not_trained_says_so_and_what_is_below_a_floor_too():
    both = grid("Popularity", [1, 40, 3], steps=0) + grid("SessionKNN", [1, 2, 3], steps=0)
    both = both + grid("SASRec", [2, 50, 9]) + grid("Persona-KG", [1, 1, 2])
    table = session_tables.retrieval_table(both).set_index("system")
    assert table["training"].tolist() == [
        "no training",
        "no training",
        "below the floor",
        "finished",
    ]
    assert table.loc["SASRec", "HR@10"] == pytest.approx(2 / 3)
    assert table.loc["SASRec", "HR@100"] == 1


def test_how_the_graphs_training_ended_stands_beside_the_models():
    one = grid("Persona-KG", [1, 2])
    run = types.SimpleNamespace(label="Persona-KG")
    cell = types.SimpleNamespace(info={"hdgi_ended": "limit"})
    one.cells.append((run, cell))
    assert session_tables.retrieval_table(one)["HDGI"].tolist() == ["limit"]
    assert session_tables.retrieval_table(grid("SASRec", [1, 2]))["HDGI"].tolist() == [""]


def test_reranking_is_told_before_and_after_and_tested_against_the_same_candidates():
    floor = grid("Popularity", [90] * 6, steps=0)
    before = grid("Persona-KG", [1, 5, 9, 12, 3, 6])
    after = grid("Persona-KG + rerank", [1, 2, 3, 12, 1, 2])
    table = session_tables.rerank_table(before, after, floor)
    assert table["stage"].tolist() == ["before", "after"]
    assert table["generator"].tolist() == ["Persona-KG", "Persona-KG"]
    assert table["HR@10"].tolist() == [pytest.approx(5 / 6)] * 2
    tests = session_tables.rerank_tests(before, after, "NDCG@10", floor)
    assert tests["rival"].astype(str).tolist() == ["Persona-KG"]
    assert tests["difference"].iloc[0] > 0
    assert tests[NO_VERDICT].tolist() == [""]


def test_head_and_tail_are_told_apart():
    table = session_tables.tail_table(grid("SASRec", [1, 50, 1, 50]))
    values = table.set_index("popularity")["HR@10"]
    assert values["tail"] == 1
    assert values["head"] == 0


def test_known_and_hidden_users_are_told_apart():
    rows = [(f"u{u}", f"i{(u + n) % 30}", "d", n) for u in range(60) for n in range(5 + u % 6)]
    split = leave_one_out(corpus(rows), "d")
    hidden = hide_users(split, 0.3)[1]
    ranks = np.where(np.isin(np.arange(split.n_users), hidden), 60, 2)
    table = session_tables.cold_table(grid("Persona-KG", ranks), split, 0.3)
    by_kind = table.groupby("users are")["HR@10"].mean()
    assert by_kind.to_dict() == {"known": 1.0, "unknown": 0.0}
    assert table.loc[table["users are"] == "unknown", "users"].sum() == len(hidden)


def test_the_recall_curve_counts_the_first_m():
    curve = session_tables.recall_curve(grid("SASRec", [1, 5, 30, 200]).ranks, [5, 50])
    assert curve["HR@M"].tolist() == [0.5, 0.75]


def test_reranked_curves_have_a_point_a_size():
    grids = {size: grid("Persona-KG + rerank", [1, 3]) for size in (20, 100)}
    curve = session_tables.reranked_curve(grids)
    assert curve["M"].tolist() == [20, 100]
    assert curve["system"].unique().tolist() == ["Persona-KG"]


@pytest.mark.parametrize(
    ("difference", "p", "mark", "said"),
    [
        (0.1, 0.01, "", "succeeded"),
        (0.1, 0.2, "", "failed"),
        (-0.1, 0.01, "", "failed"),
        (0.1, 0.01, "one seed", "no verdict .one seed."),
    ],
)
def test_the_positive_control_succeeds_only_by_a_significant_gain(difference, p, mark, said):
    tests = pd.DataFrame(
        [{"rival": "SASRec + LLM items", "difference": difference, "p": p, "why": mark}]
    )
    sentence = session_tables.control_sentence(tests, "SASRec + LLM items", "why")
    assert re.search(said, sentence)


def test_an_order_that_is_no_time_is_said():
    split = leave_one_out(corpus([("u", f"i{n}", "d", n) for n in range(5)]), "d")
    assert "has times" in session_tables.clock_sentence(split)
    assert "left out" in session_tables.clock_sentence(dataclasses.replace(split, clock="order"))
