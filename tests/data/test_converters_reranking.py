"""The published sets that PERSONA4REC's notebooks use."""

import polars as pl
import pytest

from reprolib.data.corpus import DataError
from reprolib.data.datasets import load_split
from reprolib.data.sources.converters import CONVERTERS, Absent


def rows(corpus):
    return (
        corpus.interactions.select("user", "item", "timestamp")
        .cast({pl.Categorical: pl.String})
        .rows()
    )


@pytest.fixture
def yelp(tmp_path, write):
    write("total_trn.csv.gz", "user,item\n7,3\n8,3\n7,1\n")
    write("total_val.csv", "user,item\n8,2\n")
    write("total_tst.csv", "user,item\n7,2\n")
    return tmp_path


def test_xrec_events_follow_training_validation_test(yelp):
    corpus = CONVERTERS["xrec"](yelp, ("businesses",))
    assert rows(corpus) == [
        ("7", "3", 0),
        ("8", "3", 0),
        ("7", "1", 1),
        ("8", "2", 1),
        ("7", "2", 2),
    ]
    assert corpus.clock == "order"
    assert corpus.items["title"].null_count() == 3


def test_xrec_profiles_keep_the_items_that_have_one(yelp, write):
    with pytest.raises(Absent, match="tst_profiles_explanations"):
        CONVERTERS["xrec_profiles"](yelp, ("businesses",))
    write(
        "tst_profiles_explanations.csv",
        "uid,iid,title,user_summary,item_summary,explanation\n"
        '7,3,Taco Bar,likes tacos,"Tacos, cheap.",good\n8,3,Taco Bar,likes beer,"Tacos, cheap.",fine\n'
        "7,2,Den,x,Beer.,y\n",
    )
    corpus = CONVERTERS["xrec_profiles"](yelp, ("businesses",))
    assert rows(corpus) == [("7", "3", 0), ("8", "3", 0), ("8", "2", 1), ("7", "2", 2)]
    told = corpus.items.sort("title").select("title", "description").rows()
    assert told == [("Den", "Beer."), ("Taco Bar", "Tacos, cheap.")]


def test_exp3rt_gives_the_ids_of_the_lists_and_puts_the_test_last(tmp_path, write):
    write("user_list.txt", "AEU1 0\nAEU2 1\n")
    write("item_list.txt.gz", "B01 0 \nB02 1 \n0063 2 \n")
    write("train.txt", "0 2 1\n1 0\n")
    write("test.txt", "0 0\n")
    corpus = CONVERTERS["exp3rt"](tmp_path, ("books",))
    assert rows(corpus) == [
        ("AEU1", "0063", 0),
        ("AEU1", "B02", 1),
        ("AEU2", "B01", 0),
        ("AEU1", "B01", 2),
    ]
    write("test.txt", "0 9\n")
    with pytest.raises(DataError, match="line 1: '0 9'; expected user item item"):
        CONVERTERS["exp3rt"](tmp_path, ("books",))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "domain", "users", "items", "events"),
    [("xrec-yelp", "businesses", 15_962, 14_085, 393_680), ("xrec-yelp-profiles", "businesses", 15_705, 2_473, 119_971),
     ("amazon2023-books-exp3rt", "books", 10_761, 10_084, 118_705)],
)  # fmt: skip
def test_the_real_sets_have_the_published_size(name, domain, users, items, events, data_dir):
    split = load_split(name, domain, data_dir=str(data_dir))
    assert (split.n_users, split.n_items, len(split.item)) == (users, items, events)
