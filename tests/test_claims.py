import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from reprolib.report.claims import COSTS, PAPERS, load_claims
from reprolib.report.scorecard import (
    beside,
    claims_table,
    cost_quality_figure,
    cost_table,
    effects_figure,
    leaderboard,
    summary,
    verdict_counts,
)
from reprolib.report.verdicts import judge, plain
from reprolib.rerankers.causal_lm import SMALL, CausalLM
from reprolib.runs.grid import Run, system_code
from reprolib.runs.read_store import annotators, load_store
from reprolib.runs.store import write_cell
from reprolib.runs.systems import SYSTEMS

USERS = 400


def ranks_of(systems, direction="food->kitchen", dataset="real-set", seed=None):
    """A RankTable of {system: one rank per user, or one rank for all}; odd users have short histories, tail items.

    seed  one seed; by default two that came out alike, because one seed carries no verdict
    """
    if seed is None:
        return pd.concat(
            [ranks_of(systems, direction, dataset, seed) for seed in (0, 1)], ignore_index=True
        )
    user = np.arange(USERS)
    tables = [
        pd.DataFrame(
            {
                "system": name,
                "dataset": dataset,
                "direction": direction,
                "seed": seed,
                "protocol": "leave-one-out",
                "negatives": 0,
                "variant": "",
                "on": "",
                "user": user,
                "rank": np.broadcast_to(rank, USERS).astype(float),
                "candidates": 1000,
                "item_count": np.where(user % 2, 2, 50),
                "item_place": np.where(user % 2, 0.9, 0.1),
                "history": np.where(user % 2, 3, 30),
            }
        )
        for name, rank in systems.items()
    ]
    return pd.concat(tables, ignore_index=True)


def noisy(share, seed=0):
    """Rank 1 for that share of users, else 100: HR@10 = NDCG@10 = share, near enough."""
    return np.where(np.random.default_rng(seed).random(USERS) < share, 1, 100)


COST = pd.DataFrame(columns=["label", "dataset", "direction", "seed", "annotator", "llm"])


def claim(kind, paper="SemaCDR", name="test-01", **arguments):
    """One claim, through the same file and checks as the real ones."""
    return {
        "id": name,
        "paper": paper,
        "place": "Table 1",
        "claim": "A sentence of some length.",
        "kind": kind,
        **arguments,
    }


@pytest.fixture
def verdict(tmp_path):
    def of(ranks, *claims, cost=COST):
        path = tmp_path / "claims.yaml"
        path.write_text(json.dumps({"claims": list(claims)}))
        return judge(load_claims(path), ranks, cost).set_index("id", drop=False)

    return of


def one(verdict, ranks, kind, cost=COST, **arguments):
    return verdict(ranks, claim(kind, **arguments), cost=cost).iloc[0]


GOOD, FAIR, POOR = noisy(0.6, 1), noisy(0.4, 2), noisy(0.2, 3)
ALMOST = np.where(np.arange(USERS) < 20, 100, GOOD)  # 20 users fewer hits than GOOD, at most


# --- the file


def test_the_claims_of_all_five_papers_are_there_each_with_its_place():
    claims = load_claims()
    assert len(claims) >= 110
    assert {c.paper for c in claims} == set(PAPERS)
    assert len({c.id for c in claims}) == len(claims)
    assert all(c.place.strip() and c.claim.endswith(".") for c in claims)
    assert {"paper", "referee", "next check", "open question"} == {c.origin for c in claims}
    assert len({c.claim for c in claims}) == len(claims)


def test_a_claims_systems_are_named_as_the_published_numbers_name_them():
    from reprolib.report.published import published

    known = {*published("semacdr")["system"], *published("persona4rec")["system"]}
    for c in load_claims():
        if c.paper == "SemaCDR":
            assert {s for s in c.systems() if "=" not in s} <= known, c.id
        if c.paper == "PERSONA4REC" and c.kind != "untestable":
            assert set(c.systems()) <= known, c.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "beat"}, "test-01: kind 'beat' is unknown (did you mean beats?)"),
        ({"metrics": ["NDCG"]}, "test-01: metrics: 'NDCG' is not a metric"),
        ({"paper": "BERT4Rec"}, "test-01: paper: Input should be 'SPHERE'"),
        ({"wrose": ["B"]}, "test-01: wrose is no key of beats (did you mean worse?)"),
        ({"directions": ["Food→Kitchen"]}, "'Food→Kitchen' is no direction; write source->target"),
        ({"place": ""}, "test-01: place: String should have at least 3"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_with_the_id(tmp_path, change, message):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"claims": [claim("beats", better=["A"], worse=["B"]) | change]}))
    with pytest.raises(ValueError, match="test-01: ") as error:
        load_claims(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("claims: 3", "must hold a list"),
        ("claims: [3]", "entry 1 is no mapping"),
        ("claims: [", "is not YAML"),
        (
            json.dumps({"claims": [claim("untestable", reason="no ranks here")] * 2}),
            "test-01 is given twice",
        ),
        (
            json.dumps({"claims": [claim("peak", settings={"1": "A", "2": "B"}, best="3")]}),
            "best '3' is none of the sett",
        ),
        (
            json.dumps(
                {
                    "claims": [
                        claim(
                            "larger_gain",
                            better="A",
                            worse="B",
                            group="popularity",
                            larger="cold",
                            smaller="head",
                        )
                    ]
                }
            ),
            "'cold' is no popularity",
        ),
        (
            json.dumps({"claims": [claim("below", system="A", measure="latency_ms")]}),
            "give either limit or than",
        ),
    ],
)
def test_a_file_that_is_no_list_of_claims_is_refused(tmp_path, content, message):
    path = tmp_path / "claims.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        load_claims(path)


# --- verdicts


def test_beats_is_reproduced_refuted_or_left_open(verdict):
    ranks = ranks_of({"A": GOOD, "B": POOR, "C": GOOD})
    row = one(verdict, ranks, "beats", better=["A"], worse=["B"])
    assert row["verdict"] == "reproduced"
    assert row["effect"] == pytest.approx((GOOD == 1).mean() - (POOR == 1).mean())
    assert row["relative %"] == pytest.approx(100 * ((GOOD == 1).mean() / (POOR == 1).mean() - 1))
    assert row["relative low"] < row["relative %"] < row["relative high"]
    assert row["users"] == USERS
    assert one(verdict, ranks, "beats", better=["B"], worse=["A"])["verdict"] == "not reproduced"
    assert (
        one(verdict, ranks, "beats", better=["A"], worse=["C"])["verdict"] == "not reproduced"
    )  # no gain at all
    close = ranks_of({"A": GOOD, "D": noisy(0.58, 9)})
    assert one(verdict, close, "beats", better=["A"], worse=["D"])["verdict"] == "inconclusive"


def test_one_lost_direction_refutes_all_and_leaves_most_and_any(verdict):
    ranks = pd.concat(
        [ranks_of({"A": GOOD, "B": POOR}, d) for d in ("a->b", "b->a")]
        + [ranks_of({"A": POOR, "B": GOOD}, "b->c")]
    )
    found = {
        need: one(verdict, ranks, "beats", better=["A"], worse=["B"], need=need)
        for need in ("all", "most", "any")
    }
    assert {n: r["verdict"] for n, r in found.items()} == {
        "all": "not reproduced",
        "most": "reproduced",
        "any": "reproduced",
    }
    assert found["all"]["decided by"] == "A over B, NDCG@10, b->c"
    assert found["most"]["effect"] > 0  # the median comparison, which a majority must win
    assert found["all"]["why"] == "2 of 3 comparisons for it, 1 against"


def test_only_the_named_directions_count_however_their_domains_are_written(verdict):
    ranks = pd.concat(
        [
            ranks_of({"A": GOOD, "B": POOR}, "movies->books2023"),
            ranks_of({"A": POOR, "B": GOOD}, "x->y"),
        ]
    )
    row = one(
        verdict,
        ranks,
        "beats",
        better=["A"],
        worse=["B"],
        directions=["movie->book", "book->movie"],
    )
    assert row["verdict"] == "reproduced"
    assert row["scope"] == "1 of 2 directions"
    assert plain("cds->movies") == "cd->movie"
    row = one(verdict, ranks, "beats", better=["A"], worse=["B"], directions=["food->kitchen"])
    assert row["verdict"] == "not testable here"
    assert row["why"] == "its systems were not run together on food->kitchen"


def test_a_claim_over_systems_that_were_not_all_run_is_never_reproduced(verdict):
    ranks = ranks_of({"A": GOOD, "B": POOR})
    row = one(verdict, ranks, "beats", better=["A"], worse=["B", "Z"])
    assert (row["verdict"], "not run: Z" in row["why"]) == ("inconclusive", True)
    assert (
        one(verdict, ranks, "beats", better=["B"], worse=["A", "Z"])["verdict"] == "not reproduced"
    )
    assert (
        one(verdict, ranks, "beats", better=["B"], worse=["A", "Z"], need="any")["verdict"]
        == "inconclusive"
    )
    row = one(verdict, ranks, "beats", better=["Y"], worse=["Z"])
    assert (row["verdict"], row["why"]) == ("not testable here", "not run: Y, Z")


def test_a_claimed_size_needs_the_interval_beyond_it(verdict):
    ranks = ranks_of({"A": GOOD, "B": POOR})  # about +200 %
    found = [
        one(verdict, ranks, "beats", better=["A"], worse=["B"], margin=m)["verdict"]
        for m in (50, 200, 900)
    ]
    assert found == ["reproduced", "inconclusive", "not reproduced"]


def test_comparable_means_not_worse_by_more_than_the_margin(verdict):
    ranks = ranks_of({"A": ALMOST, "B": GOOD, "C": POOR, "D": noisy(0.58, 9)})
    found = [
        one(verdict, ranks, "comparable", these=[a], to=["B"], margin=15)["verdict"]
        for a in ("B", "A", "C", "D")
    ]
    assert found == ["reproduced", "reproduced", "not reproduced", "inconclusive"]


def test_hurts_most_is_refuted_by_a_variant_that_hurts_more(verdict):
    ranks = ranks_of({"full": GOOD, "w/o x": FAIR, "w/o y": POOR})
    arguments = {"full": "full", "variants": ["w/o x", "w/o y"]}
    assert (
        one(verdict, ranks, "hurts_most", **arguments | {"variants": ["w/o x"]}, worst="w/o y")[
            "verdict"
        ]
        == "reproduced"
    )
    row = one(verdict, ranks, "hurts_most", **arguments | {"variants": ["w/o y"]}, worst="w/o x")
    assert row["verdict"] == "not reproduced"
    assert row["decided by"] == "w/o y over w/o x, NDCG@10, food->kitchen"


def test_peak_compares_the_claimed_best_with_every_other_setting(verdict):
    ranks = ranks_of({"K=2": POOR, "K=4": GOOD, "K=8": FAIR})
    settings = {"2": "K=2", "4": "K=4", "8": "K=8"}
    found = [one(verdict, ranks, "peak", settings=settings, best=b)["verdict"] for b in ("4", "8")]
    assert found == ["reproduced", "not reproduced"]


def test_order_and_monotone_need_every_pair_and_two_distinct_ends(verdict):
    ranks = ranks_of({"A": GOOD, "B": FAIR, "C": POOR, "D": noisy(0.58, 9)})
    row = one(verdict, ranks, "order", ranking=["A", "B", "C"])
    assert (row["verdict"], row["why"][:18]) == ("reproduced", "Kendall's tau 1.00")
    assert row["decided by"].startswith("A over C")
    assert one(verdict, ranks, "order", ranking=["B", "A", "C"])["verdict"] == "not reproduced"
    assert (
        one(verdict, ranks, "order", ranking=["D", "A", "C"])["verdict"] == "inconclusive"
    )  # D and A too close
    assert one(verdict, ranks, "monotone", rising=["C", "B", "A"])["verdict"] == "reproduced"
    assert one(verdict, ranks, "monotone", rising=["A", "B", "C"])["verdict"] == "not reproduced"


def test_a_gain_is_larger_in_the_group_where_it_is(verdict):
    odd = np.arange(USERS) % 2 == 1  # short histories, tail items, cold items
    ranks = ranks_of({"A": np.where(odd, GOOD, FAIR), "B": np.where(odd, POOR, FAIR)})
    arguments = {"better": "A", "worse": "B", "group": "popularity"}
    row = one(verdict, ranks, "larger_gain", **arguments, larger="tail", smaller="head")
    a, b = (GOOD[odd] == 1).mean(), (POOR[odd] == 1).mean()
    assert row["verdict"] == "reproduced"
    assert row["relative %"] == pytest.approx(100 * (a / b - 1))
    assert (
        one(verdict, ranks, "larger_gain", **arguments, larger="head", smaller="tail")["verdict"]
        == "not reproduced"
    )
    same = ranks_of({"A": GOOD, "B": FAIR})
    assert (
        one(verdict, same, "larger_gain", **arguments, larger="tail", smaller="head")["verdict"]
        == "inconclusive"
    )


def test_gains_of_two_directions_are_compared_inside_one_collection_only(verdict):
    big, small = {"A": GOOD, "B": POOR}, {"A": FAIR, "B": FAIR}
    arguments = {
        "better": "A",
        "worse": "B",
        "group": "direction",
        "larger": "a->b",
        "smaller": "c->d",
    }
    ranks = pd.concat(
        [ranks_of(big, "a->b", "amazon2014-a-b"), ranks_of(small, "c->d", "amazon2014-c-d-abxi")]
    )
    assert one(verdict, ranks, "larger_gain", **arguments)["verdict"] == "not testable here"
    ranks = pd.concat(
        [ranks_of(big, "a->b", "world-quick/a-b"), ranks_of(small, "c->d", "world-quick/c-d")]
    )
    assert one(verdict, ranks, "larger_gain", **arguments)["verdict"] == "reproduced"
    mixed = pd.concat(
        [ranks_of(big, "a->b", "world-quick/a-b"), ranks_of(small, "c->d", "world-smoke/c-d")]
    )
    row = one(verdict, mixed, "larger_gain", **arguments)
    assert row["why"] == "its systems were not run together on a->b, c->d"


def test_a_cost_is_held_against_a_limit_or_against_other_systems(verdict):
    cost = pd.DataFrame(
        {
            "label": ["A", "A", "B"],
            "dataset": "real-set",
            "direction": "x",
            "seed": [0, 1, 0],
            "annotator": "none",
            "llm": False,
            "latency_ms": [0.9, 1.1, 500.0],
        }
    )
    ranks = ranks_of({"A": GOOD})

    def below(**arguments):
        return one(verdict, ranks, "below", cost, system="A", measure="latency_ms", **arguments)

    assert [below(limit=x)["verdict"] for x in (3, 1.1, -1)] == [
        "reproduced",
        "inconclusive",
        "not reproduced",
    ]
    assert below(than=["B"], factor=0.01)["verdict"] == "reproduced"
    cost["latency_ms"] = [1.0, 1.01, 500.0]
    assert below(than=["B"], factor=0.001)["verdict"] == "not reproduced"
    cost["annotator"] = ["none", "none", CausalLM.label.fget(SimpleNamespace(name=SMALL))]
    assert below(than=["B"], factor=0.001)["verdict"] == "not testable here"
    assert below(than=["B"], factor=0.01)["verdict"] == "reproduced"
    assert below(than=["Z"])["why"] == "no run with latency_ms: Z"
    row = one(verdict, ranks, "below", cost, system="A", measure="memory_gb", limit=1)
    assert row["why"] == "no stored run recorded memory_gb"
    assert set(COSTS) >= {"latency_ms", "train_seconds"}


def test_what_ranks_cannot_settle_says_why(verdict):
    row = one(verdict, ranks_of({"A": GOOD}), "untestable", reason="needs human judges")
    assert (row["verdict"], row["why"]) == ("not testable here", "needs human judges")


def test_p_is_corrected_over_the_papers_family_and_each_comparison_counts_once(verdict):
    from reprolib.evaluate.significance import compare, holm, user_values

    ranks = ranks_of({"A": GOOD, "B": noisy(0.57, 5), "C": noisy(0.5, 8)})
    beats = [
        claim("beats", name=f"test-0{i}", better=[a], worse=[b])
        for i, (a, b) in enumerate([("A", "B"), ("A", "C"), ("B", "A")])
    ]
    found = verdict(ranks, *beats, claim("beats", "SPHERE", "other-01", better=["A"], worse=["B"]))
    values = user_values(ranks, "NDCG@10")
    raw = [compare(values, "A", name)["p_t"] for name in ("B", "C")]
    assert found["p"].tolist() == pytest.approx([*holm(raw), holm(raw)[0], raw[0]])
    assert holm(raw)[0] == pytest.approx(raw[0])  # the larger of two p-values is not multiplied
    assert 0.001 < raw[1] < raw[0] < 1
    assert found.loc["test-01", "p"] == pytest.approx(2 * raw[1])


def test_excluding_a_gain_is_harder_in_a_larger_family(verdict):
    ranks = ranks_of(
        {"A": noisy(0.50, 6), "B": noisy(0.55, 22)}
        | {f"S{i}": noisy(0.5, 100 + i) for i in range(8)}
    )
    lost = claim("beats", better=["A"], worse=["B"])
    alone = verdict(ranks, lost).iloc[0]
    assert (alone["verdict"], alone["p"] > 0.05) == ("not reproduced", True)
    others = [claim("beats", name=f"test-1{i}", better=[f"S{i}"], worse=["B"]) for i in range(8)]
    assert verdict(ranks, lost, *others).loc["test-01", "verdict"] == "inconclusive"


def test_seeds_are_averaged_per_user_and_a_user_without_a_rank_is_left_out(verdict):
    ranks = pd.concat([ranks_of({"A": 1, "B": 5}, seed=s) for s in (0, 1)] + [ranks_of({"C": 100})])
    ranks.loc[(ranks["system"] == "A") & (ranks["seed"] == 1), "rank"] = 3.0
    ranks.loc[(ranks["system"] == "A") & (ranks["user"] % 3 == 0), "rank"] = 2.0
    lost = (ranks["system"] == "A") & (ranks["user"] == 1) & (ranks["seed"] == 1)
    ranks = ranks[((ranks["system"] != "B") | (ranks["user"] < 100)) & ~lost]
    row = one(verdict, ranks, "beats", better=["A"], worse=["B"], metrics=["MRR"])
    assert (row["users"], row["seeds"]) == (100, 2)
    a = np.where(np.arange(100) % 3 == 0, 1 / 2, (1 + 1 / 3) / 2)
    a[1] = 1  # ranked by one seed only
    assert row["effect"] == pytest.approx((a - 1 / 5).mean())


# --- the store

WORLD = "world-smoke/food-kitchen"


def store_cell(
    folder, name, rank, seed=0, dataset=WORLD, options=(), split="s1", code=None, **info
):
    """A cell of the system of that name; "SYSTEM x" and unknown names are variants."""
    system, _, variant = (
        name.partition(" ") if name.split(" ")[0] in SYSTEMS else ("Popularity", "", name)
    )
    run = Run(system, dataset, "food->kitchen", seed, variant=variant)
    record = {
        "run": run.factors | {"options": dict(options)},
        "split": split,
        "code": code or system_code(system),
        "history": [],
        "parameters": 7,
        "train_seconds": 0.5,
        "coverage@10": 0.1,
        "seconds": 1.0,
        "steps": 0,
        "looks": 0,
        "best_look": 0,
        "ended": "",
        "users": USERS,
    }
    ranks = ranks_of({name: rank}, "food->kitchen", dataset, seed)
    write_cell(folder / f"{len(list(folder.iterdir())):04}.parquet", ranks, record | info)


def test_the_store_is_read_current_complete_and_with_what_was_left_out(tmp_path):
    store_cell(tmp_path, "A", POOR, split="old data")
    store_cell(tmp_path, "A", POOR, code="old code")
    store_cell(tmp_path, "A", FAIR, options=(("epochs", 9),))
    for seed in (0, 1):
        store_cell(tmp_path, "A", GOOD, seed, llm_calls=12, annotator="embedded")
    store_cell(tmp_path, "B", POOR, dataset="elsewhere")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    store_cell(tmp_path, "B", POOR, dataset="world-smoke-2/food-kitchen")
    stored = load_store(tmp_path, ["world-smoke"])
    assert set(load_store(tmp_path, [WORLD]).ranks["variant"]) == {"A"}
    assert set(stored.ranks["variant"]) == {"A"}
    assert stored.ranks.groupby("seed")["rank"].apply(lambda r: (r == GOOD).all()).tolist() == [
        True,
        True,
    ]
    assert stored.ranks["direction"].unique().tolist() == ["food->kitchen"]
    assert (
        stored.cost[["llm_calls", "annotator", "parameters"]].values.tolist()
        == [[12, "embedded", 7]] * 2
    )
    assert stored.left_out == [
        "1 cells unreadable or of another version",
        "1 cells made by other code",
        "1 cells made on other data",
        "1 cells with other options under the same name",
    ]


def test_only_who_wrote_what_was_read_is_named_and_once(tmp_path):
    store_cell(
        tmp_path, "A", GOOD, options=(("annotator", "embedded"),)
    )  # has the option, read nothing
    store_cell(tmp_path, "B", POOR, annotator="embedded, small")
    store_cell(tmp_path, "C", FAIR, annotator="small")
    cost = load_store(tmp_path).cost
    assert cost[["variant", "annotator", "llm"]].values.tolist() == [
        ["A", "none", False],
        ["B", "embedded, small", True],
        ["C", "small", True],
    ]
    assert annotators(cost["annotator"]) == "embedded, small"
    assert annotators(cost["annotator"][:1]) == annotators([]) == "none"


def test_an_empty_store_gives_empty_tables_and_no_error(tmp_path):
    stored = load_store(tmp_path / "absent")
    verdicts = judge(load_claims(), stored.ranks, stored.cost)
    assert set(verdicts["verdict"]) == {"not testable here"}
    pair = ("world-smoke/food-kitchen", "food->kitchen")
    assert (
        leaderboard(stored.ranks, *pair).columns[0]
        == cost_table(stored.cost, *pair).columns[0]
        == "system"
    )
    assert len(beside(stored.ranks)) == 0
    for figure in (effects_figure(verdicts), cost_quality_figure(stored.ranks, stored.cost, *pair)):
        assert "nothing run yet" in [text.get_text() for text in figure.axes[0].texts]
    assert "none" in summary(verdicts, [])
    assert verdict_counts(verdicts)["not testable here"].sum() == len(verdicts)


def test_the_scorecard_is_made_from_the_store_and_names_the_miniature_world(tmp_path):
    for seed in (0, 1):
        store_cell(tmp_path, "SASRec", noisy(0.4, 10 + seed), seed)
        store_cell(tmp_path, "TJAPL", noisy(0.5, 30 + seed), seed)
        store_cell(
            tmp_path, "SemaCDR", noisy(0.8, 20 + seed), seed, llm_calls=3, annotator="embedded"
        )
        store_cell(tmp_path, "MGCL", noisy(0.45, 40 + seed), seed)
        store_cell(tmp_path, "SemaCDR K=2", noisy(0.7, 20 + seed), seed)
    stored = load_store(tmp_path)
    verdicts = judge(load_claims(), stored.ranks, stored.cost)
    row = claims_table(verdicts, "SemaCDR").set_index("id").loc["semacdr-04"]
    assert row["verdict"] == "reproduced, on the miniature world"
    assert (row["annotator"], row["seeds"], row["users"]) == ("embedded", 2, USERS)
    board = leaderboard(stored.ranks, "world-smoke/food-kitchen", "food->kitchen")
    assert board["system"].tolist() == ["SemaCDR", "TJAPL", "MGCL", "SASRec"]
    assert board["NDCG@10 †"].tolist() == [True, False, False, False]
    cost = cost_table(stored.cost, "world-smoke/food-kitchen", "food->kitchen").set_index("system")
    assert cost["LLM calls"].to_dict() == {"SASRec": 0, "TJAPL": 0, "MGCL": 0, "SemaCDR": 3}
    assert (
        len(effects_figure(verdicts).axes[0].get_yticklabels())
        == verdicts["relative low"].notna().sum()
        > 0
    )
    text = summary(verdicts, ["1 cells unreadable"])
    assert "semacdr-04" in text
    assert "synthetic users" in text
    assert "Left out: 1 cells unreadable." in text


def test_published_and_measured_stand_together_only_where_the_data_is_the_same():
    data = "amazon2014-food-kitchen-abxi"
    ranks = pd.concat([ranks_of({"SASRec": FAIR, "TJAPL": GOOD}, dataset=d) for d in (data, WORLD)])
    table = beside(ranks, ("HR@10",))
    assert table["data"].unique().tolist() == [data]
    assert table["system"].tolist() == ["TJAPL", "SASRec"]
    assert table["published"].tolist() == [0.3616, 0.2369]
    assert table["Kendall's tau"].tolist() == [1.0, 1.0]
    low = (
        FAIR == 1
    ).mean()  # a rank of 100 among 1000 is inside the top 10 of 100 sampled ones more often than not
    assert table["measured"].iloc[1] > low
