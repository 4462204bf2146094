import gzip
import json

import polars as pl
import pytest

from reprolib.data.corpus import DataError
from reprolib.data.readers import read_goodreads, read_movielens, read_steam, read_yelp


def lines(*records: dict) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def events(corpus) -> list[tuple]:
    return corpus.interactions.with_columns(pl.col(pl.Categorical).cast(pl.String)).rows()


def counts(corpus) -> tuple:
    return corpus.interactions.select(
        pl.len(), pl.col("user").n_unique(), item=pl.col("item").n_unique()
    ).row(0)


BOOK = {
    "book_id": "900", "title": "Emma &amp; I", "description": "", "authors": [{"author_id": "7", "role": ""}],
    "popular_shelves": [{"count": "9", "name": "to-read"}, {"count": "5", "name": "classics"}],
}  # fmt: skip
GOODREADS_CSV = "user_id,book_id,is_read,rating,is_reviewed\n0,5,1,4,0\n1,5,0,0,0\n0,6,1,5,1\n"


def test_goodreads_csv_has_positions_for_times_and_null_for_rating_zero(write):
    corpus = read_goodreads(write("goodreads_interactions.csv", GOODREADS_CSV))
    assert events(corpus) == [
        ("0", "5", "books", 0, 4.0, None), ("1", "5", "books", 0, None, None), ("0", "6", "books", 1, 5.0, None),
    ]  # fmt: skip
    assert corpus.clock == "order"


def test_goodreads_numbers_become_book_ids_through_the_map(write):
    interactions, books = (
        write("i.csv", GOODREADS_CSV),
        write("goodreads_books.json.gz", lines(BOOK)),
    )
    ids = write("book_id_map.csv", "book_id_csv,book_id\n5,900\n6,901\n")
    authors = write(
        "goodreads_book_authors.json.gz", lines({"author_id": "7", "name": "Jane Austen"})
    )
    corpus = read_goodreads(interactions, books, authors=authors, book_ids=ids)
    assert corpus.items.rows() == [
        ("900", "books", "Emma & I", None, "Jane Austen", ["classics"]), ("901", "books", None, None, None, None),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"book 6 has no row in .*short\.csv"):
        read_goodreads(interactions, book_ids=write("short.csv", "book_id_csv,book_id\n5,900\n"))


def test_goodreads_reviews_count_seconds_in_utc(write):
    record = {"user_id": "8842281e", "book_id": "900", "review_id": "r", "rating": 3, "review_text": "Fine.",
              "date_added": "Wed Mar 22 11:37:04 -0700 2017"}  # fmt: skip
    corpus = read_goodreads(
        write("goodreads_reviews_dedup.json.gz", lines(record)), write("b.json", lines(BOOK))
    )
    assert events(corpus) == [("8842281e", "900", "books", 1490207824, 3.0, "Fine.")]
    assert corpus.clock == "unix"
    with pytest.raises(DataError, match="line 1: no timestamp can be read"):
        read_goodreads(write("r.json", lines(record | {"date_added": "2017-03-22"})))


def test_the_chain_map_gives_one_interaction_per_pair(write):
    corpus = read_goodreads(
        write("goodreads.user_item_map", "{'user_id': 3, 'items': {0: 3, 8: 2}}\n")
    )
    assert [row[:2] for row in events(corpus)] == [("3", "0"), ("3", "8")]


STEAM = "{'user_id': 'ann', 'user_url': 'x', 'reviews': [{'posted': 'Posted November 5, 2011.', 'item_id': '1250', " \
        "'recommend': True, 'review': \"it's fun\"}, {'posted': 'Posted June 24.', 'item_id': '22200', " \
        "'recommend': False, 'review': ''}]}\n"  # fmt: skip
GAMES = '{"app_name": NaN, "id": NaN, "title": NaN, "genres": NaN, "tags": NaN}\n' \
        '{"app_name": "Killing Floor", "id": "1250", "genres": ["Action"], "tags": ["FPS", "Action"], ' \
        '"developer": "Tripwire", "title": NaN}\n'  # fmt: skip


def test_steam_reviews_by_user_and_games_with_nan_rows(write):
    corpus = read_steam(
        write("australian_user_reviews.json.gz", STEAM), write("steam_games.json.gz", GAMES)
    )
    assert events(corpus) == [
        ("ann", "1250", "games", 1320451200, 1.0, "it's fun"), ("ann", "22200", "games", None, 0.0, ""),
    ]  # fmt: skip
    assert corpus.clock == "day"
    assert corpus.items.row(0) == (
        "1250",
        "games",
        "Killing Floor",
        None,
        "Tripwire",
        ["Action", "FPS"],
    )
    assert corpus.reports[1].n_malformed == 0


def test_steam_literal_games_and_the_long_review_file(write):
    reviews = write("steam_reviews.json.gz", "{u'username': u'Bob', u'product_id': u'70', u'date': u'2018-01-02', "
                    "u'text': u'caf\\xe9', u'hours': 1.5}\n")  # fmt: skip
    games = write(
        "steam_games.json.gz", "{u'id': u'70', u'app_name': u'Half-Life', u'tags': [u'FPS']}\n"
    )
    corpus = read_steam(reviews, games)
    assert events(corpus) == [("Bob", "70", "games", 1514851200, None, "café")]
    assert corpus.items.row(0) == ("70", "games", "Half-Life", None, None, ["FPS"])


def test_a_python_call_in_a_literal_is_malformed_and_never_run(write, tmp_path):
    victim = tmp_path / "victim"
    code = f"{{'user_id': __import__('os').mkdir({str(victim)!r}), 'reviews': []}}\n"
    report = read_steam(write("r.json", STEAM * 200 + code)).reports[0]
    assert report.malformed[0][0] == 201
    assert not victim.exists()


YELP = {
    "review_id": "r",
    "user_id": "u",
    "business_id": "b",
    "stars": 4,
    "text": "nice",
    "date": "2014-02-05 20:30:30",
}
BUSINESS = {
    "business_id": "b",
    "name": "Cafe",
    "city": "Tucson",
    "categories": "Food, Coffee & Tea",
    "hours": None,
}


def test_yelp_reviews_and_businesses(write):
    corpus = read_yelp(write("review.json", lines(YELP)), write("business.json", lines(BUSINESS)))
    assert events(corpus) == [("u", "b", "yelp", 1391632230, 4.0, "nice")]
    assert corpus.items.rows() == [("b", "yelp", "Cafe", None, "Tucson", ["Food", "Coffee & Tea"])]
    with pytest.raises(DataError, match=r"looks like Yelp businesses .*expected Yelp reviews"):
        read_yelp(write("business.json", lines(BUSINESS)))


ITEM = "|".join(["2", "Café (1995)", "01-Jan-1995", "", "http://x", *"0110000000000000100"]) + "\n"


@pytest.mark.parametrize(
    ("ratings", "movies", "genres"),
    [
        (("u.data", "1\t2\t3\t881250949\n"), ("u.item", ITEM.encode("latin-1")), ["Action", "Adventure", "Thriller"]),
        (("ratings.dat", "1::2::3::881250949\n"), ("movies.dat", "2::Café (1995)::Action|Drama\n".encode("latin-1")),
         ["Action", "Drama"]),
        (("ratings.csv", "userId,movieId,rating,timestamp\n1,2,3.0,881250949\n"),
         ("movies.csv", 'movieId,title,genres\n2,"Café (1995)",(no genres listed)\n'), []),
    ],
)  # fmt: skip
def test_the_three_dresses_of_movielens_agree(write, ratings, movies, genres):
    corpus = read_movielens(write(*ratings), write(*movies))
    assert events(corpus) == [("1", "2", "movies", 881250949, 3.0, None)]
    assert corpus.items.rows() == [("2", "movies", "Café (1995)", None, None, genres)]
    assert corpus.clock == "unix"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "1\t2\t881250949\t3\n",
            "line 1: rating 881250949 is not between 0 and 10; are rating and timestamp swapped",
        ),
        (
            "userId,movieId,ratings,timestamp\n1,2,3,881250949\n",
            r"no column 'rating' \(nearest: 'ratings'\)",
        ),
        ("1\t2\t3\n", "no column 'userId'"),
        ("", "is empty; expected MovieLens ratings"),
    ],
)
def test_bad_movielens_ratings_get_one_sentence(write, content, message):
    with pytest.raises(DataError, match=message):
        read_movielens(write("u.data", content))


@pytest.mark.real
def test_real_goodreads(data_dir):
    assert counts(read_goodreads(data_dir / "goodreads-ucsd-subsample/goodreads_interactions_subset.csv.gz")) == (
        841_904, 3_996, 38_305)  # fmt: skip
    chain = data_dir / "goodreads-chainrec"
    assert counts(read_goodreads(chain / "goodreads.user_item_map.gz")) == (326_905, 108_389, 6_225)
    assert counts(read_goodreads(chain / "goodreads_train.csv.gz")) == (257_645, 108_389, 6_174)


@pytest.mark.real
def test_real_steam(data_dir):
    folder = data_dir / "steam-ucsd-australian"
    corpus = read_steam(folder / "user_reviews.csv.gz", folder / "steam_games.json.gz")
    assert counts(corpus) == (59_161, 25_467, 3_682)
    assert corpus.interactions["timestamp"].null_count() == 10_091
    used = corpus.items.filter(pl.col("item").is_in(corpus.interactions["item"].unique().implode()))
    assert used["title"].count() == 3_195


@pytest.mark.real
def test_real_yelp(data_dir):
    folder = data_dir / "yelp-open-raw-sample"
    corpus = read_yelp(
        *(folder / f"yelp_academic_dataset_{n}.json.gz" for n in ("review", "business"))
    )
    assert counts(corpus) == (999, 993, 822)
    assert corpus.items.height == 822 + 1_000 - 63


@pytest.mark.real
def test_real_movielens(data_dir):
    folder = data_dir / "movielens-100k"
    corpus = read_movielens(folder / "u.data.gz", folder / "u.item.gz")
    assert counts(corpus) == (100_000, 943, 1_682)
    assert corpus.items["title"].null_count() == 0
    folder = data_dir / "movielens-latest-small-dbpedia"
    assert counts(read_movielens(folder / "ratings.csv.gz", folder / "movies.csv.gz")) == (
        100_004,
        671,
        9_066,
    )


def test_a_gz_file_without_its_suffix_is_still_read(write):
    path = write(
        "ratings.csv", gzip.compress(b"userId,movieId,rating,timestamp\n1,2,3.0,881250949\n")
    )
    assert counts(read_movielens(path)) == (1, 1, 1)
