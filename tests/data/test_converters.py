import json
import pickle

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from reprolib.data.corpus import DataError
from reprolib.data.sources.converters import CONVERTERS, find, read_titles
from reprolib.data.sources.registry import load


@pytest.fixture
def folder(tmp_path, write):
    write("map_user_50.txt", json.dumps({"U1": 0, "U2": 1}))
    write("map_item_50.txt.gz", json.dumps({"A1": [1, 0], "A2": [2, 0], "B1": [3, 1]}))
    write("afk_50_preprocessed.txt", "0 1|86400 3|172800\n1 3|86401\n")
    return tmp_path


def rows(corpus):
    return (
        corpus.interactions.select("user", "item", "domain", "timestamp")
        .cast({pl.Categorical: pl.String})
        .rows()
    )


def test_abxi_joins_sequences_and_maps(folder):
    corpus = CONVERTERS["abxi"](folder, ("food", "kitchen"))
    assert rows(corpus) == [
        ("U1", "A1", "food", 86_400), ("U1", "B1", "kitchen", 172_800), ("U2", "B1", "kitchen", 86_401),
    ]  # fmt: skip
    assert corpus.items["item"].to_list() == ["A1", "A2", "B1"]
    assert corpus.clock == "unix"


def test_titles_come_from_plain_pickles_or_the_csv(folder, write):
    (folder / "text_A.pkl").write_bytes(pickle.dumps({"A1": "Tea &amp; Co"}))
    (folder / "text_B.pkl").write_bytes(pickle.dumps({"B1": "Pot"}, protocol=2))
    first = CONVERTERS["abxi"](folder, ("food", "kitchen")).items
    write(
        "items.csv.gz", "asin,item_index,domain,title\nA1,1,A,Tea &amp; Co\nA2,2,A,\nB1,3,B,Pot\n"
    )
    second = CONVERTERS["abxi"](folder, ("food", "kitchen")).items
    assert first["title"].to_list() == ["Tea & Co", None, "Pot"]
    assert_frame_equal(first, second)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path):
    victim = tmp_path / "victim"
    for name, content in (("a.pkl", {"A1": Evil(victim)}), ("b.pkl", Evil(victim))):
        (tmp_path / name).write_bytes(pickle.dumps(content))
        with pytest.raises(
            DataError, match=rf"{name}: it asks for _?io\.open; expected a pickled dictionary"
        ):
            read_titles(tmp_path / name)
    assert not victim.exists()


@pytest.mark.parametrize(
    "content", [pickle.dumps([1]), pickle.dumps({"A1": 5}), b"no pickle", b"", b"\x80\x04N."]
)
def test_other_pickles_are_refused(tmp_path, content):
    (tmp_path / "t.pkl").write_bytes(content)
    with pytest.raises(DataError, match="expected a pickled dictionary asin -> title"):
        read_titles(tmp_path / "t.pkl")


def test_c2dsr_shifts_the_second_domain_and_keeps_file_order(tmp_path, write):
    write("items_a.txt", "7\tM1\t0\n8\tM2\t1\n")
    write("items_b.txt", "9\tK1\t0\n")
    write("userlist.txt", "U1\t0\nU2\t1\n")
    write("val_new.txt", "1\t5\t2|172800|1970-01-03|\t0|86400|1970-01-02|\t\n")
    write("test_new.txt.gz", "0\t5\t1|86400|1970-01-02|\n")
    corpus = CONVERTERS["c2dsr"](tmp_path, ("movie", "book"))
    assert rows(corpus) == [
        ("U2", "K1", "book", 172_800),
        ("U2", "M1", "movie", 86_400),
        ("U1", "M2", "movie", 86_400),
    ]
    assert corpus.clock == "day"


def test_sequences_without_times_count_positions(tmp_path, write):
    write("Video.txt", "1 5\n1 7\n2 5\n")
    write("Beauty.txt.gz", "1 4 4\n2 9\n")
    write("Beauty_item2attributes.json", json.dumps({"4": [1, 2], "9": []}))
    video, beauty = (
        CONVERTERS["pairs"](tmp_path, ("video",)),
        CONVERTERS["s3rec"](tmp_path, ("beauty",)),
    )
    assert rows(video) == [("1", "5", "video", 0), ("1", "7", "video", 1), ("2", "5", "video", 0)]
    assert rows(beauty) == [
        ("1", "4", "beauty", 0),
        ("1", "4", "beauty", 1),
        ("2", "9", "beauty", 0),
    ]
    assert beauty.items["categories"].to_list() == [["1", "2"], []]
    assert (video.clock, beauty.clock) == ("order", "order")


@pytest.mark.parametrize(
    ("kind", "name", "content", "message"),
    [
        (
            "abxi",
            "afk_50_preprocessed.txt",
            "0 1|5 99|6\n",
            "line 1: '0 1|5 99|6'; expected user item|time",
        ),
        ("abxi", "map_user_50.txt", "[1]", "holds a list; expected a JSON map"),
        ("pairs", "Video.txt", "1 5\n1 5 6\n", "line 2: '1 5 6'; expected user item"),
        ("s3rec", "Beauty.txt", "1 2\n3\n", "line 2: '3'; expected user item item"),
        (
            "tricdr",
            "sequences.csv",
            "user_id,position,domain,asin\nU,0,tool,A\n",
            "domain 'tool'; expected food or",
        ),
    ],
)
def test_broken_originals_get_one_sentence(folder, write, kind, name, content, message):
    write(name, content)
    domains = ("beauty",) if kind == "s3rec" else ("food", "kitchen")
    with pytest.raises(DataError) as error:
        CONVERTERS[kind](folder, domains)
    assert message in str(error.value)


def test_a_file_is_found_one_folder_down_packed_and_best_in_its_own_folder(tmp_path, write):
    with pytest.raises(DataError, match=r"holds no u\.data"):
        find(tmp_path, "u.data")
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k/u.data").touch()
    assert find(tmp_path, "u.data") == tmp_path / "ml-100k/u.data"
    packed = write("u.data.gz", b"x")
    assert find(tmp_path, "u.data") == packed
    assert find(tmp_path, "nothing", optional=True) is None


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "domains", "clock"),
    [
        ("amazon2014-food-kitchen-abxi", {"A": "food", "B": "kitchen"}, "day"),
        ("amazon2014-movie-book-c2dsr", {"A": "movie", "B": "book"}, "day"),
    ],
)
def test_converted_rows_equal_the_derived_table(data_dir, name, domains, clock):
    derived = pl.read_csv(data_dir / name / "interactions.csv.gz").select(
        user="user_id", item="asin", domain=pl.col("domain").replace(domains), timestamp="timestamp"
    )
    corpus = load(name, data_dir)
    assert rows(corpus) == derived.rows()
    assert corpus.clock == clock
    items = pl.read_csv(data_dir / name / "items.csv.gz", columns=["asin", "domain", "title"])
    assert corpus.items["item"].to_list() == items["asin"].to_list()
    assert corpus.items["title"].null_count() == items["title"].null_count()


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("amazon2018-toy-game-tricdr", (197_358, 7_996, 49_603)),
        ("sasrec-amazon-video", (287_107, 31_013, 23_715)),
        ("s3rec-beauty", (198_502, 22_363, 12_101)),
        ("s3rec-sports", (296_337, 35_598, 18_357)),
        ("s3rec-yelp", (316_354, 30_431, 20_033)),
        ("amazon2014-musical-instruments", (10_261, 1_429, 900)),
        ("amazon2018-gift-cards", (2_972, 458, 148)),
        ("movielens-100k", (100_000, 943, 1_682)),
    ],
)
def test_real_sets_have_their_published_counts(data_dir, name, counts):
    corpus = load(name, data_dir)
    found = corpus.interactions.select(
        pl.len(), pl.col("user").n_unique(), item=pl.col("item").n_unique()
    )
    assert found.row(0) == counts
    assert corpus.name == name


@pytest.mark.real
def test_tricdr_keeps_the_order_of_its_mixed_sequences(data_dir):
    derived = pl.read_csv(data_dir / "amazon2018-toy-game-tricdr/sequences.csv.gz")
    derived = derived.select("user_id", "asin", "domain", "position")
    assert rows(load("amazon2018-toy-game-tricdr", data_dir)) == derived.rows()
