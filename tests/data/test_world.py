"""The miniature world as files: same bytes for a seed, read by the readers of real data, nothing left half."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reprolib.data import world
from reprolib.data.corpus import DataError
from reprolib.data.world import DOMAINS, generate, make_world, read_truth, read_world
from reprolib.data.world.domains import SIZES, window
from reprolib.data.world.latent import DRIFT, FACET, INERTIA, INTENT, NEXT, PRIVATE, STICKY, TASTE

PAIRS = [
    ("food", "kitchen"),
    ("movies", "books"),
    ("cds", "movies"),
    ("cloth", "sport"),
    ("electronics", "phones"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("worlds") / "smoke", "smoke")


@pytest.fixture(scope="module")
def described(folder):
    return json.loads((folder / "world.json").read_text())


@pytest.fixture(scope="module")
def corpora(folder):
    return {name: read_world(folder, [name]) for name in DOMAINS}


def users(corpus, at_least=1):
    counts = corpus.interactions["user"].cast(pl.String).value_counts()
    return set(counts.filter(pl.col("count") >= at_least)["user"])


def test_a_seed_gives_the_same_bytes(described, tmp_path):
    again = json.loads((make_world(tmp_path / "again", "smoke") / "world.json").read_text())
    assert again["files"] == described["files"]


def test_world_json_lists_the_digest_of_every_file(folder, described):
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {
        "world.json"
    }
    assert found == set(described["files"])
    for name, digest in described["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(("seed", "same"), [(0, True), (1, False)])
def test_a_domain_depends_on_the_seed_and_not_on_which_others_exist(
    described, tmp_path, monkeypatch, seed, same
):
    monkeypatch.setattr(
        generate, "DOMAINS", {name: DOMAINS[name] for name in ("cloth", "books", "movies")}
    )
    make_world(tmp_path / "few", "smoke", seed=seed)
    files = json.loads((tmp_path / "few/world.json").read_text())["files"]
    raw = [name for name in files if not name.startswith("truth")]
    assert len(raw) == 9
    assert [files[name] == described["files"][name] for name in raw] == [same] * 9


@pytest.fixture
def writes(monkeypatch):
    """Makes make_world write one file, to test what it does with folders; counts how often that happens."""
    calls = []

    def one_file(fresh, knobs):
        calls.append(knobs)
        (fresh / "Books.json.gz").write_bytes(b"half")
        if knobs["seed"] == 13:
            raise KeyboardInterrupt
        named = {"version": generate.VERSION, **knobs, "files": {"Books.json.gz": ""}}
        (fresh / "world.json").write_text(json.dumps(named))

    monkeypatch.setattr(world, "write_world", one_file)
    return calls


def test_an_existing_world_is_left_alone_until_a_knob_the_version_or_a_file_is_missing(
    tmp_path, writes, monkeypatch
):
    folder = make_world(tmp_path / "w")
    make_world(folder)
    assert len(writes) == 1
    make_world(folder, noise=0.2)
    assert len(writes) == 2
    assert json.loads((folder / "world.json").read_text())["noise"] == 0.2
    (folder / "Books.json.gz").unlink()
    make_world(folder, noise=0.2)
    assert len(writes) == 3
    monkeypatch.setattr(world, "VERSION", -1)
    make_world(folder, noise=0.2)
    assert len(writes) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_the_version_of_a_world_covers_all_code_and_words_that_write_it():
    names = {path.name for path in generate.SOURCES}
    assert {
        "generate.py",
        "latent.py",
        "domains.py",
        "texts.py",
        "traits.yaml",
        "food.yaml",
    } <= names
    assert len(str(generate.VERSION)) == 16


def test_an_interrupted_run_leaves_the_old_world_and_nothing_half(tmp_path, writes):
    folder = make_world(tmp_path / "w", seed=1)
    for target in (folder, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            make_world(target, seed=13)
    assert [p.name for p in tmp_path.iterdir()] == ["w"]
    assert json.loads((folder / "world.json").read_text())["seed"] == 1


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DataError, match="holds something other than a miniature world"):
        make_world(tmp_path, "smoke")
    assert (tmp_path / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize(
    "knob", [{"size": "huge"}, {"seed": -1}, {"text": 1.5}, {"noise": float("nan")}]
)
def test_a_knob_out_of_range_is_named(tmp_path, knob):
    with pytest.raises(ValueError, match=next(iter(knob))):
        make_world(tmp_path / "w", **{"size": "smoke"} | knob)


def test_unknown_domains_tables_and_folders_get_a_sentence(folder, tmp_path):
    with pytest.raises(DataError, match="expected different names out of food, kitchen"):
        read_world(folder, ["food", "drinks"])
    with pytest.raises(DataError, match="expected one of traits, users"):
        read_truth(folder, "user")
    with pytest.raises(DataError, match=r"no world\.json"):
        read_world(tmp_path)


@pytest.mark.parametrize("name", DOMAINS)
def test_the_readers_find_what_world_json_promises(name, corpora, described):
    corpus = corpora[name]
    found = {
        "users": corpus.interactions["user"].n_unique(),
        "items": corpus.items.height,
        "interactions": corpus.interactions.height,
    }
    assert found == described["domains"][name]
    assert sum(report.n_malformed for report in corpus.reports) == 0
    assert corpus.clock == ("day" if name == "games" else "unix")
    assert corpus.items["title"].n_unique() == corpus.items.height
    texts = ["title", "creator", "categories"] + ["description"] * (
        name not in ("games", "restaurants")
    )
    assert corpus.items.select(texts).null_count().sum_horizontal().item() == 0
    assert corpus.interactions.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize("name", DOMAINS)
def test_the_readers_recover_the_true_events(name, corpora, folder):
    truth = read_truth(folder, "reviews").filter(pl.col("domain") == name)
    read = corpora[name].interactions.with_columns(pl.col("user", "item").cast(pl.String))
    if name == "games":
        truth = truth.with_columns(rating=(pl.col("rating") >= 3).cast(pl.Float32))
    columns = ["user", "item", "timestamp", "rating"]
    left, right = (
        t.select(columns).cast({"rating": pl.Float32}).sort(columns) for t in (truth, read)
    )
    assert left.equals(right)


@pytest.mark.parametrize("name", DOMAINS)
def test_a_users_events_have_distinct_items_and_times_inside_the_era(name, corpora):
    events = corpora[name].interactions
    first, last = window(DOMAINS[name])
    assert events["timestamp"].is_between(first, last, closed="left").all()
    assert not events.select("user", "timestamp").is_duplicated().any()
    assert not events.select("user", "item").is_duplicated().any()


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_domain_pairs_share_enough_active_users(pair, corpora):
    both = users(corpora[pair[0]], 5) & users(corpora[pair[1]], 5)
    assert 300 <= len(both) <= 420
    everybody = users(corpora[pair[0]]) | users(corpora[pair[1]])
    assert len(both) < 0.9 * len(everybody)


def test_platforms_have_disjoint_users_and_all_domains_disjoint_items(corpora):
    platforms = [
        ["books2023"],
        ["goodreads"],
        ["games"],
        ["restaurants"],
        [n for p in PAIRS for n in p],
    ]
    people = [set().union(*(users(corpora[name]) for name in names)) for names in platforms]
    assert len(set().union(*people)) == sum(map(len, people))
    items = pl.concat([c.items["item"].cast(pl.String) for c in corpora.values()])
    assert items.n_unique() == len(items)


@pytest.mark.parametrize("name", DOMAINS)
def test_popularity_is_skewed_and_ratings_are_j_shaped(name, folder):
    truth = read_truth(folder, "reviews").filter(pl.col("domain") == name)
    counts = np.sort(truth["item"].value_counts()["count"].to_numpy())[::-1]
    head = counts[: len(counts) * 3 // 4]
    slope = np.polyfit(np.log(np.arange(1, len(head) + 1)), np.log(head), 1)[0]
    assert -1.2 < slope < -0.4
    share = truth["rating"].value_counts(normalize=True).sort("rating")["proportion"].to_list()
    assert share[4] > share[3] > share[2] > share[1] < share[0]


def test_facts_speak_of_linked_items_and_name_their_creators(folder):
    corpus = read_world(folder, ["movies", "books"])
    facts, items = corpus.facts, corpus.items.with_columns(pl.col("item").cast(pl.String))
    assert set(facts["relation"]) == {
        "author",
        "director",
        "genre",
        "series",
        "starring",
        "subject",
    }
    assert set(facts["subject"]) < set(items["item"])
    made = facts.filter(pl.col("relation").is_in(["author", "director"]))
    made = made.join(items, left_on="subject", right_on="item")
    assert 0.75 < made.height / items.height < 0.95
    assert (made["object"].str.replace_all("_", " ") == made["creator"]).all()


def test_the_page_on_the_world_describes_these_domains_and_sizes():
    page = (Path(__file__).parents[2] / "docs/miniature-world.md").read_text(encoding="utf-8")
    for name, d in DOMAINS.items():
        years = " to ".join(d.era)
        who = f"{d.population}, community {d.community}"
        assert f"| {name} | {d.source} | {who} | {years} | {d.events} | {d.weight} |" in page
    for name, size in SIZES.items():
        assert f"| {name} | {size.users} | {size.items} | {size.activity} |" in page
    for symbol, value in (
        ("lambda", DRIFT),
        ("eta", INTENT),
        ("psi", INERTIA),
        ("kappa", PRIVATE),
        ("alpha", TASTE),
        ("gamma", FACET),
        ("mu", STICKY),
        ("nu", NEXT),
    ):
        assert f"$\\{symbol}={value}$" in page
