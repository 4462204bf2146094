import numpy as np
import polars as pl
import pytest

from reprolib.data.corpus import DataError
from reprolib.data.datasets import directions_of, known_dataset, load_corpus, load_dataset


def test_two_sets_without_a_shared_user_are_one_data_set():
    dataset = load_dataset("world-smoke/goodreads | world-smoke/games", "goodreads->games")
    split = dataset.split
    users = dataset.corpus.interactions.group_by("user").agg(domains=pl.col("domain").n_unique())
    assert users["domains"].max() == 1
    assert split.before.max() == 0
    assert set(split.ranges) == {"goodreads", "games"}
    first, last = split.candidates
    held_out = split.item[split.held_out("test")[1]]
    assert len(held_out) > 100
    assert ((held_out >= first) & (held_out <= last)).all()
    assert dataset.item_texts.loc[first, "domain"] == "games"


def test_the_same_set_twice_or_the_same_domain_is_refused():
    with pytest.raises(DataError, match="stands twice"):
        load_corpus("world-smoke/games | world-smoke/games")
    with pytest.raises(DataError, match="both have a domain"):
        load_corpus("world-smoke/cds | world-smoke/cds-movies")


def test_more_than_two_domains_load_and_several_are_a_source():
    name = "world-smoke/cds-movies-books"
    split = load_dataset(name, "cds+movies->books").split
    assert split.sources == ("cds", "movies")
    assert split.source_range == (split.ranges["cds"][0], split.ranges["movies"][1])
    assert split.candidates == split.ranges["books"]
    assert split.source_range[1] + 1 == split.candidates[0]
    assert load_dataset(name, "all").split.direction == "all"
    assert len(directions_of(name)) == 6


def test_directions_are_those_of_the_domains():
    name = "world-smoke/food-kitchen"
    assert directions_of(name) == ["food->kitchen", "kitchen->food"]
    assert directions_of(name, ["kitchen->food"]) == ["kitchen->food"]
    with pytest.raises(DataError, match="has the directions"):
        directions_of(name, ["books->movies"])


def test_texts_and_reviews_follow_the_codes_of_the_split():
    dataset = load_dataset("world-smoke/books2023", "books2023")
    split, texts, events = dataset.split, dataset.item_texts, dataset.training_events
    titles = dict(dataset.corpus.items.select("item", "title").iter_rows())
    assert texts.loc[5, "title"] == titles[split.items[4]]
    assert len(texts) == split.n_items
    assert np.array_equal(events["user"].to_numpy(), np.sort(events["user"].to_numpy()))
    held_out = set(
        zip(
            *(
                x.tolist()
                for x in (split.held_out("test")[0], split.item[split.held_out("test")[1]])
            ),
            strict=True,
        )
    )
    assert not held_out & set(events[["user", "item"]].itertuples(index=False, name=None))
    assert (events["review"] != "").mean() > 0.5


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("world-smoke/godreads", "did you mean goodreads"),
        ("world-tiny/food", "world-NAME/DOMAIN"),
        ("amazon2014-food-kitchen-abx", "did you mean amazon2014-food-kitchen-abxi"),
        ("world-smoke/food | nothing-known", "is no known data set"),
    ],
)
def test_an_unknown_name_has_a_suggestion(name, sentence):
    with pytest.raises(DataError, match=sentence):
        known_dataset(name)
