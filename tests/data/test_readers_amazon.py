import json

import polars as pl
import pytest

from reprolib.data.corpus import INTERACTIONS, ITEMS, DataError
from reprolib.data.readers import read_amazon, read_amazon_ratings

DAY = 86_400 * 16_000


def lines(*records: dict) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def review(user="A2IBPI20UZIR0U", item="1384719342", time=DAY, rating=5.0, text="good") -> dict:
    return {
        "reviewerID": user,
        "asin": item,
        "reviewText": text,
        "overall": rating,
        "unixReviewTime": time,
    }


def events(corpus) -> list[tuple]:
    return corpus.interactions.with_columns(pl.col(pl.Categorical).cast(pl.String)).rows()


def test_a_2014_pair_becomes_interactions_and_items(write):
    reviews = write(
        "reviews_Tools_5.json.gz",
        lines(review(), review("A14VAT5EAX3D9S", "B000000002", DAY + 86_400, 3, "x")),
    )
    meta = write(
        "meta_Tools.json.gz",
        "{'asin': '1384719342', 'title': 'Tom &amp; Jerry\\'s \"drill\"', 'brand': 'Acme', "
        "'description': 'Drills.', 'categories': [['Tools', 'Power &amp; Hand'], ['Tools', 'Drills']]}\n",
    )
    corpus = read_amazon(reviews, meta, domain="tools")
    assert dict(corpus.interactions.schema) == INTERACTIONS
    assert dict(corpus.items.schema) == ITEMS
    assert events(corpus) == [
        ("A2IBPI20UZIR0U", "1384719342", "tools", DAY, 5.0, "good"),
        ("A14VAT5EAX3D9S", "B000000002", "tools", DAY + 86_400, 3.0, "x"),
    ]
    assert corpus.items.rows() == [
        (
            "1384719342",
            "tools",
            'Tom & Jerry\'s "drill"',
            "Drills.",
            "Acme",
            ["Tools", "Power & Hand", "Drills"],
        ),
        ("B000000002", "tools", None, None, None, None),
    ]
    assert corpus.clock == "day"
    assert corpus.domains == ("tools",)
    assert [(r.lines, r.kept, r.n_malformed) for r in corpus.reports] == [(2, 2, 0), (1, 1, 0)]


def test_a_2018_pair_joins_the_parts_of_a_description(write):
    reviews = write("Tools_5.json", lines(review()))
    meta = write(
        "meta_Tools.json",
        lines(
            {
                "asin": "1384719342",
                "title": "Drill",
                "brand": "",
                "category": ["Tools", "Tools"],
                "description": ["a", "", "b"],
            },
            {
                "asin": "B000000003",
                "title": "Saw",
                "brand": "Acme",
                "category": [],
                "description": "",
            },
        ),
    )
    corpus = read_amazon(reviews, meta, domain="tools")
    assert corpus.items.rows() == [
        ("1384719342", "tools", "Drill", "a\n\nb", None, ["Tools"]),
        ("B000000003", "tools", "Saw", None, "Acme", []),
    ]


def test_a_2023_pair_counts_in_milliseconds(write):
    reviews = write(
        "Tools.jsonl",
        lines(
            {
                "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
                "asin": "B00YQ6X8EO",
                "parent_asin": "B00YQ6X8E1",
                "rating": 4.0,
                "text": "ok",
                "timestamp": 1588687728923,
            }
        ),
    )
    meta = write(
        "meta_Tools.jsonl",
        lines(
            {
                "parent_asin": "B00YQ6X8E1",
                "title": "Book",
                "store": "Some Store",
                "categories": ["Books"],
                "description": ["d"],
                "author": {"name": 'Ann \\ "B" Author', "about": ["x \\ y"]},
            },
            {
                "parent_asin": "B00YQ6X8E2",
                "title": "None",
                "store": None,
                "categories": [],
                "description": [],
                "author": None,
            },
        ),
    )
    corpus = read_amazon(reviews, meta, domain="books")
    assert events(corpus) == [
        ("AGKHLEW2SOWHNMFQIJGBECAF7INQ", "B00YQ6X8E1", "books", 1588687728, 4.0, "ok")
    ]
    assert corpus.clock == "unix"
    assert corpus.items["creator"].to_list() == ['Ann \\ "B" Author', None]


def test_the_first_of_two_metadata_rows_is_kept(write):
    reviews = write("r.json", lines(review()))
    meta = write(
        "m.json",
        lines({"asin": "1384719342", "title": "first"}, {"asin": "1384719342", "title": "second"}),
    )
    assert read_amazon(reviews, meta, domain="x").items["title"].to_list() == ["first"]


def test_text_false_leaves_the_reviews_out(write):
    corpus = read_amazon(write("r.json", lines(review())), domain="x", text=False)
    assert corpus.interactions["review"].to_list() == [None]


def test_odd_but_legal_values_are_read_alike_with_and_without_polars(write):
    odd = [
        review(text='quote " back \\ slash \n line é 😀'),
        review(rating="4.0"),
        review(time=str(DAY)),
        review(text=None),
    ]
    corpus = read_amazon(write("r.json", lines(*odd)), domain="x")
    assert corpus.interactions["review"].to_list() == [
        'quote " back \\ slash \n line é 😀',
        "good",
        "good",
        None,
    ]
    assert corpus.interactions["rating"].to_list() == [5, 4, 5, 5]
    assert corpus.interactions["timestamp"].to_list() == [DAY] * 4


def test_malformed_lines_are_counted_and_named_by_their_line(write):
    good = json.dumps(review()) + "\n"
    bad = [
        '{"reviewerID": "A1", "asin": \n',
        "hello\n",
        "\n",
        lines(review(rating="many")),
        lines(review(user=None)),
        "[1]\n",
    ]
    path = write("r.json.gz", good * 500 + "".join(bad) + good * 500)
    report = read_amazon(path, domain="x").reports[0]
    assert (report.lines, report.kept, report.n_malformed) == (1006, 1000, 5)
    assert [line for line, _ in report.malformed] == [501, 502, 504, 505, 506]
    assert report.malformed[2][1] == "overall 'many' is not a number"
    assert report.malformed[3][1] == "no reviewerID"


def test_too_many_malformed_lines_fail_with_count_and_first_line(write):
    path = write("r.json", lines(review()) * 50 + "oops\n" * 2)
    with pytest.raises(
        DataError,
        match=r"r\.json: 2 of 52 lines are malformed, more than the 1% .* line 51: not JSON: 'oops'",
    ):
        read_amazon(path, domain="x")
    assert read_amazon(path, domain="x", max_malformed=0.05).interactions.height == 50


def test_line_numbers_hold_across_blocks(write, monkeypatch):
    monkeypatch.setattr(
        "reprolib.data.readers._stream.blocks.__kwdefaults__", {"size": 1000, "progress": False}
    )
    path = write("r.json", lines(review()) * 5000 + "oops\n" + lines(review()) * 5000 + "oops")
    report = read_amazon(path, domain="x").reports[0]
    assert report.malformed == ((5001, "not JSON: 'oops'"), (10002, "not JSON: 'oops'"))
    assert report.lines == 10002


def test_line_numbers_count_the_header_and_blank_lines(write):
    good = "A2IBPI20UZIR0U,B000000001,5.0,1393545600123\n"
    path = write(
        "x.csv", "user_id,parent_asin,rating,timestamp\n" + good * 2 + "\n" + "oops\n" + good * 200
    )
    assert [line for line, _ in read_amazon_ratings(path, domain="x").reports[0].malformed] == [5]


def test_only_twenty_malformed_lines_are_listed_but_all_are_counted(write):
    path = write("r.json", lines(review()) * 100 + "oops\n" * 30)
    report = read_amazon(path, domain="x", max_malformed=1).reports[0]
    assert (len(report.malformed), report.n_malformed) == (20, 30)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.json", "", "r.json is empty; expected Amazon reviews"),
        ("r.json.gz", "", "r.json.gz is empty; expected Amazon reviews"),
        (
            "r.json",
            lines({"reviewerID": "a", "asin": "b", "overall": 1, "unixTime": 5}),
            r"no column 'unixReviewTime' \(nearest: 'unixTime'\)",
        ),
        (
            "meta.json",
            lines({"asin": "b", "title": "t", "category": []}),
            "meta.json looks like Amazon metadata .*expected Amazon rev",
        ),
        ("meta.json", "{'asin': 'b', 'title': 't'}\n", "looks like Amazon metadata"),
        (
            "y.json",
            lines({"review_id": "r", "user_id": "u", "business_id": "b", "stars": 1}),
            "looks like Yelp reviews",
        ),
        ("r.csv", "a,b,1.0,1400000000\n", "neither JSON nor Python literals.*read_amazon_ratings"),
        ("r.json", lines(review(text="é")).encode("utf-16"), "neither JSON|malformed"),
        (
            "r.json",
            (json.dumps(review(text="é"), ensure_ascii=False) + "\n").encode("latin-1"),
            "line 1: not utf-8 at byte",
        ),
        (
            "r.json",
            lines(review(rating=DAY, time=5)),
            "line 1: overall 1382400000 is not between 0 and 10; are rating and timestamp",
        ),
        (
            "r.json",
            lines(review(time=DAY * 1000)),
            "unixReviewTime 1382400000000 is not between .* seconds since 1970",
        ),
        ("r.json", lines(review("B000000001", "A2IBPI20UZIR0U")), "seem swapped"),
    ],
)
def test_bad_reviews_get_one_sentence(write, name, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_amazon(write(name, content), domain="x")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named_with_what_was_expected(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json does not exist; expected Amazon reviews"):
        read_amazon(tmp_path / "nowhere.json", domain="x")


def test_a_cut_download_says_how_many_lines_came_before(write):
    import random

    whole = write(
        "r.json.gz", lines(*(review(text=str(random.Random(i).random())) for i in range(5000)))
    )
    whole.write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"ends early after 4,\d{3} whole lines; download it again"):
        read_amazon(whole, domain="x")


def test_reviews_given_as_metadata_are_refused(write):
    path = write("r.json", lines(review()))
    with pytest.raises(DataError, match="holds reviews, not metadata"):
        read_amazon(path, path, domain="x")


def test_metadata_of_other_items_is_refused(write):
    reviews, meta = (
        write("r.json", lines(review())),
        write("m.json", lines({"asin": "B999999999", "title": "t"})),
    )
    with pytest.raises(DataError, match="none of the 1 items with metadata is among the 1 items"):
        read_amazon(reviews, meta, domain="x")


@pytest.mark.parametrize(
    ("name", "content", "time"),
    [
        ("ratings_Tools.csv", "A2IBPI20UZIR0U,1384719342,5.0,1393545600\n", 1393545600),
        ("Tools.csv", "1384719342,A2IBPI20UZIR0U,5.0,1393545600\n", 1393545600),
        (
            "Tools.csv.gz",
            "user_id,parent_asin,rating,timestamp\nA2IBPI20UZIR0U,1384719342,5.0,1393545600123\n",
            1393545600,
        ),
    ],
)
def test_ratings_tables_of_all_vintages_agree(write, name, content, time):
    corpus = read_amazon_ratings(write(name, content), domain="x")
    assert events(corpus) == [("A2IBPI20UZIR0U", "1384719342", "x", time, 5.0, None)]
    assert corpus.clock == "day" if time % 86_400 == 0 else "unix"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "A2IBPI20UZIR0U,1384719342,1393545600,5.0\n",
            "rating 1393545600 is not between 0 and 10; are rating and timestamp swapped",
        ),
        (
            "user_id,parent_asin,rating,timestamp\nB000000001,A2IBPI20UZIR0U,5.0,1393545600123\n",
            "seem swapped",
        ),
        ("user_id,parent_asin,rating\nA2IBPI20UZIR0U,B000000001,5.0\n", "no column 'timestamp'"),
        ("A2IBPI20UZIR0U,1384719342,5.0\n", "3 columns in its first line"),
        (
            "A2IBPI20UZIR0U,1384719342,5.0,1393545600\nA2IBPI20UZIR0U,1384719342\n",
            "line 2: 2 fields where 4 are expected",
        ),
        (lines(review()), "holds records, not a table; .* read_amazon"),
    ],
)
def test_bad_ratings_tables_get_one_sentence(write, content, message):
    with pytest.raises(DataError, match=message):
        read_amazon_ratings(write("ratings_x.csv", content), domain="x")


@pytest.mark.real
def test_musical_instruments_2014(data_dir):
    corpus = read_amazon(
        data_dir / "amazon2014-musical-instruments-5core/reviews_Musical_Instruments_5.json.gz",
        domain="m",
    )
    counts = corpus.interactions.select(
        pl.len(),
        pl.col("user").n_unique(),
        item=pl.col("item").n_unique(),
        text=(pl.col("review") != "").sum(),
    ).row(0)
    assert counts == (10_261, 1_429, 900, 10_254)
    assert corpus.clock == "day"


@pytest.mark.real
def test_gift_cards_2018(data_dir):
    folder = data_dir / "amazon2018-gift-cards-raw"
    corpus = read_amazon(
        folder / "Gift_Cards_5.json.gz", folder / "meta_Gift_Cards.json.gz", domain="gifts"
    )
    assert corpus.interactions.select(
        pl.len(), pl.col("user").n_unique(), item=pl.col("item").n_unique()
    ).row(0) == (
        2_972,
        458,
        148,
    )
    assert corpus.items.height == 1_547
    assert corpus.items["title"].null_count() == 0
