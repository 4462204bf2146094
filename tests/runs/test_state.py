import pandas as pd
import pytest

from reprolib.evaluate.rank_table import RANK_COLUMNS
from reprolib.runs.read_store import Stored
from reprolib.runs.state import NO_VERDICT, is_unfinished, mark_tests, training_states


@pytest.mark.parametrize(
    ("looks", "best", "ended", "unfinished"),
    [
        (20, 19, "limit", True),
        (20, 18, "limit", False),
        (2, 2, "limit", True),
        (20, 19, "patience", False),
        (5, 2, "interrupted", True),
        (0, 0, "", False),
    ],
)
def test_a_run_is_unfinished_where_its_best_look_stands_in_the_last_tenth(
    looks, best, ended, unfinished
):
    assert is_unfinished(looks, best, ended) is unfinished


def table(system, rank):
    row = dict.fromkeys(RANK_COLUMNS, "") | {"system": system, "dataset": "d", "direction": "a->b"}
    row |= {
        "seed": 0,
        "protocol": "leave-one-out",
        "negatives": 0,
        "candidates": 100,
        "rank": float(rank),
    }
    return pd.DataFrame([row | {"user": user} for user in range(4)])


def cost(system, looks=10, best=5, ended="patience"):
    factors = {
        "system": system,
        "variant": "",
        "on": "",
        "dataset": "d",
        "direction": "a->b",
        "seed": 0,
    }
    return factors | {
        "protocol": "leave-one-out",
        "looks": looks,
        "best_look": best,
        "ended": ended,
    }


RANKS = pd.concat(
    [
        table("Popularity", 9),
        table("Markov", 4),
        table("Good", 1),
        table("Short", 2),
        table("Low", 8),
    ]
)
COST = pd.DataFrame(
    [
        cost("Popularity", 0, 0, ""),
        cost("Markov", 0, 0, ""),
        cost("Good"),
        cost("Short", 10, 10, "limit"),
        cost("Low"),
    ]
)


def test_states_follow_from_how_training_ended_and_from_the_best_floor():
    states = training_states(RANKS, COST).set_index("system")["training"].to_dict()
    assert states == {
        "Popularity": "no training",
        "Markov": "no training",
        "Good": "finished",
        "Short": "unfinished",
        "Low": "below the floor",
    }


def test_unfinished_runs_and_rows_below_a_floor_carry_no_verdict():
    stored = Stored(RANKS, COST)
    assert set(stored.judged["system"]) == {"Popularity", "Markov", "Good"}
    assert set(stored.ranks["system"]) == {"Popularity", "Markov", "Good", "Short", "Low"}


def test_a_paired_test_says_why_it_carries_no_verdict():
    place = {"dataset": "d", "direction": "a->b"}
    tests = pd.DataFrame(
        [
            place | {"system": "Good", "rival": "Markov", "seeds": 2},
            place | {"system": "Good", "rival": "Short", "seeds": 2},
            place | {"system": "Low", "rival": "Good", "seeds": 1},
        ]
    )
    marked = mark_tests(tests, RANKS, COST)
    assert marked[NO_VERDICT].tolist() == [
        "",
        "Short unfinished",
        "Low below the floor; one seed",
    ]
