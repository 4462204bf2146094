import numpy as np
import pytest
from test_sequence_models import semantics, split_of

from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset
from reprolib.data.datasets import load_dataset, world_truth
from reprolib.llm.controls import oracle_share
from reprolib.papers.semacdr import analysis
from reprolib.papers.semacdr.plugin import plug_in
from reprolib.papers.semacdr.semantics import annotate, semantics_of
from reprolib.papers.semacdr.variants import ABLATIONS, GRAPHS, KNOBS, controls, knob_settings
from reprolib.report.published import benchmark_beside, paper_beside
from reprolib.runs.grid import run_grid, runs
from reprolib.runs.systems import options_of
from reprolib.runs.tuning import setting_name, settings_of, tune, tuned_runs

PAIR = "world-smoke/food-kitchen"


@pytest.fixture(scope="module")
def told():
    dataset = load_dataset(PAIR, "food->kitchen")
    return annotate(dataset, n_categories=4, progress=False), dataset.split


def test_every_item_has_a_label_in_every_category_and_padding_has_none(told):
    semantics_, split = told
    assert semantics_.labels.shape[:2] == (split.n_items + 1, 4)
    assert semantics_.labels[1:].any(2).all()
    assert not semantics_.labels[0].any()
    assert not semantics_.inner[0].any()
    assert np.allclose(np.linalg.norm(semantics_.inner[1:], axis=1), 1, atol=1e-4)
    used = semantics_.labels.any(0)
    for k, names in enumerate(semantics_.categories.values()):
        assert not used[k, len(names) :].any()  # no label beyond a category's own


def test_both_directions_read_the_same_of_an_item(told):
    one, split = told
    turned = load_dataset(PAIR, "kitchen->food")
    other_split, other = turned.split, annotate(turned, n_categories=4, progress=False)
    assert one.categories == other.categories
    code = {item: c for c, item in enumerate(other_split.items, start=1)}
    for c in (1, 5, split.n_items):
        there = code[split.items[c - 1]]
        assert (one.labels[c] == other.labels[there]).all()
        assert one.summary[c] == other.summary[there]


def test_reviews_are_never_read(told, monkeypatch):
    import polars as pl

    from reprolib.data.corpus import Corpus

    corpus = load_dataset(PAIR, "food->kitchen").corpus
    silent = Corpus(
        corpus.interactions.with_columns(pl.lit("TEST EVENT").alias("review")),
        corpus.items,
        name=corpus.name,
        clock=corpus.clock,
    )
    again = annotate(Dataset(told[1], silent), n_categories=4, progress=False)
    assert again.summary == told[0].summary
    assert (again.inner == told[0].inner).all()


def test_unknown_views_and_single_domains_are_refused():
    with pytest.raises(ValueError, match="'agm' is no view"):
        plug_in(Dataset(split_of()), 8, "id+agm", 0.1, 0.07, "embedded", 8)
    with pytest.raises(ValueError, match="one domain"):
        plug_in(load_dataset(PAIR, "food"), 8, "id+agn", 0.1, 0.07, "embedded", 8)


def test_labels_that_follow_taste_align_users_and_labels_at_random_do_not():
    split = split_of(400)
    even = semantics(split)
    half = np.array([0, *(int(item[1:]) < 15 for item in split.items)])
    labels = np.zeros_like(even.labels)
    labels[np.arange(1, len(half)), 0, half[1:]] = True
    import dataclasses

    taste = analysis.alignment(split, dataclasses.replace(even, labels=labels)).set_index(
        "compared with"
    )
    assert (
        taste.loc["difference", "cosine"] > 0.5
    )  # the echo repeats each number in the other domain
    rng = np.random.default_rng(0)
    chance = np.zeros_like(labels)
    chance[np.arange(1, len(half)), 0, rng.integers(0, 2, len(half) - 1)] = True
    random = analysis.alignment(split, dataclasses.replace(even, labels=chance)).set_index(
        "compared with"
    )
    assert abs(random.loc["difference", "cosine"]) < taste.loc["difference", "cosine"] / 2


def test_neighbour_mixing_is_one_for_one_cloud_and_zero_for_two():
    rng = np.random.default_rng(0)
    cloud, side = rng.normal(size=(600, 8)), np.arange(600) < 200
    assert abs(analysis.neighbour_mixing(cloud, side) - 1) < 0.1
    assert analysis.neighbour_mixing(cloud * 0.1 + 5 * np.where(side, 1, -1)[:, None], side) == 0


def test_label_statistics_by_hand():
    split = split_of()
    table = analysis.label_statistics(semantics(split)).set_index("category")
    assert table.loc["all", "evenness"] == 0  # every item has label c
    assert table.loc["all", "its share"] == 1
    assert np.isclose(table.loc["parity", "evenness"], 1, atol=0.01)


def test_one_sided_labels_stand_first():
    import dataclasses

    split = split_of()
    told = semantics(split)
    labels = told.labels.copy()
    first, last = split.ranges["source"]
    labels[first : last + 1, 1, 0] = True  # label a for source items only
    table = analysis.one_sided(split, dataclasses.replace(told, labels=labels))
    assert table["label"].iloc[0] == "a"
    assert table["log2 ratio"].iloc[0] > 3


def test_every_variant_is_an_option_of_the_system_and_a_name_of_the_claims():
    from reprolib.report.claims import load_claims

    known = options_of("SemaCDR")
    turned = knob_settings(categories=[4], contrast=[0.05], lr_semantic=[3e-4], lr=[1e-3])
    assert all(change.keys() <= known.keys() for change in (ABLATIONS | GRAPHS | turned).values())
    assert set(KNOBS) <= known.keys()
    text = str(load_claims())
    variants = filter(None, [*ABLATIONS, *turned])
    assert [name for name in variants if f"SemaCDR {name}" not in text] == []
    with pytest.raises(ValueError, match="there are categories"):
        knob_settings(k=[4])


def test_tuning_chooses_by_validation_and_plug_ins_take_the_setting_of_their_base():
    settings = settings_of(lr=[0.0, 0.01], dropout=[0.2])
    short = {"every": 3, "dim": 16, "length": 20, "batch_size": 64}
    tuned = tune(["SASRec"], PAIR, "food->kitchen", settings, [3], **short)
    worse, better = (tuned.table.loc["SASRec", setting_name(setting)] for setting in settings)
    assert better > worse
    assert tuned.options == {"SASRec": {"lr": 0.01, "dropout": 0.2}}
    chosen = {"C2DSR": {"lr": 0.5}}
    cells = tuned_runs(chosen, ["C2DSR + semantics"], PAIR, ["food->kitchen"], [0, 1])
    assert [dict(run.options)["lr"] for run in cells] == [0.5, 0.5]
    with pytest.raises(ValueError, match="no setting was searched for MGCL"):
        tuned_runs(tuned.options, ["MGCL"], PAIR, ["food->kitchen"], [0])


def test_the_search_halves_and_names_what_lies_at_the_edge():
    settings = settings_of(lr=[0.0, 0.003, 0.01], dropout=[0.2])
    short = {"every": 1, "dim": 16, "length": 20, "batch_size": 64}
    found = tune(["SASRec"], PAIR, "food->kitchen", settings, [1, 2], **short)
    epochs = sorted(dict(run.options)["epochs"] for run, _ in found.grid.cells)
    assert epochs == [
        1,
        1,
        1,
        2,
    ]  # three settings to the first rung, the better half of them to the next
    last = max(found.grid.cells, key=lambda cell: dict(cell[0].options)["epochs"])[0]
    assert found.options["SASRec"]["lr"] == dict(last.options)["lr"]
    at_the_edge = found.table.loc["SASRec", "at the edge"]
    assert at_the_edge == ("lr" if found.options["SASRec"]["lr"] != 0.003 else "")


def test_controls_describe_the_share_of_items_truly_that_they_say():
    """The labels of the oracle are the world's traits; mixed up ones keep their frequencies within a domain."""
    dataset = load_dataset(PAIR, "food->kitchen")
    truth = world_truth(PAIR, "items").to_pandas().set_index(["domain", "item"])
    split = dataset.split
    oracle = semantics_of(dataset, "oracle")
    first, last = split.ranges["kitchen"]
    for code in (first, last):
        traits = truth.loc[("kitchen", split.items[code - 1])]
        for k, (trait, (low, high)) in enumerate(oracle.categories.items()):
            assert oracle.labels[code, k].tolist() == [traits[trait] < -0.5, traits[trait] > 0.5]
            assert (low in oracle.summary[code]) == (traits[trait] < -0.5)
            assert (high in oracle.summary[code]) == (traits[trait] > 0.5)
    for share in (0.0, 0.5):
        mixed = semantics_of(dataset, f"oracle:{share}")
        same = (mixed.labels[1:] == oracle.labels[1:]).all((1, 2)).mean()
        assert share <= same < share + 0.12  # a few items have the labels of another by chance
        for start, end in split.ranges.values():
            own = slice(start, end + 1)
            assert (mixed.labels[own].sum(0) == oracle.labels[own].sum(0)).all()
    assert (
        semantics_of(dataset, "shuffled").labels == semantics_of(dataset, "oracle:0").labels
    ).all()
    assert "oracle" in oracle.annotator


def test_the_truth_is_known_of_a_world_only_and_a_share_is_a_share():
    toy = Dataset(split_of())
    with pytest.raises(DataError, match="the truth is known of a miniature world only"):
        semantics_of(toy, "oracle")
    with pytest.raises(ValueError, match="a number from 0 to 1"):
        oracle_share("oracle:1.5")
    assert [oracle_share(name) for name in ("oracle", "shuffled", "embedded")] == [1.0, 0.0, None]
    assert controls(["oracle"]) == {"ids only": {"views": "id"}, "oracle": {"annotator": "oracle"}}


def test_published_numbers_stand_beside_their_direction_and_system(tmp_path):
    cells = runs(["Popularity", "SASRec"], "world-smoke/movies-books", "movies->books", epochs=1)
    grid = run_grid(cells, store=tmp_path, progress=False)
    table = paper_beside(grid, "semacdr", "Table 1", "NDCG@10", sampled=20)
    assert table["NDCG@10 published"].isna().tolist() == [True, False]
    assert (table["NDCG@10 among 20"] > table["NDCG@10 full"]).all()
    assert table["training"].tolist() == ["no training", "below the floor"]
    below = benchmark_beside(grid, "abxi", 20)
    assert "ABXI (published)" in below["system"].tolist()
