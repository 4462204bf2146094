import polars as pl
import pytest
from polars.testing import assert_frame_equal

from reprolib.data.corpus import FACTS, INTERACTIONS, ITEMS, Corpus, DataError, conform
from reprolib.data.readers import read_dbbook, read_dbpedia, read_movielens, read_tidy, write_tidy

NT = r"""# started
<http://dbpedia.org/resource/Emma> <http://dbpedia.org/ontology/author> <http://dbpedia.org/resource/Jane_Austen> .
<http://dbpedia.org/resource/Caf\u00E9_%28x%29> <http://purl.org/dc/terms/subject> <http://dbpedia.org/resource/A%26B> .

<http://dbpedia.org/resource/Emma> <http://dbpedia.org/property/genre> "a \"novel\"\n\u00E9\U0001F600"@en .
<http://dbpedia.org/resource/Emma> <http://dbpedia.org/property/genre> "Roman"@de .
<http://dbpedia.org/resource/Emma> <http://dbpedia.org/property/pages> "12"^^<http://www.w3.org/2001/XMLSchema#int> .
"""


def test_facts_have_local_names_and_decoded_literals(write):
    facts, report = read_dbpedia(write("facts.nt.gz", NT))
    assert dict(facts.schema) == FACTS
    assert facts.rows() == [
        ("Emma", "author", "Jane_Austen"), ("Café_(x)", "subject", "A&B"), ("Emma", "genre", 'a "novel"\né😀'),
    ]  # fmt: skip
    assert (report.lines, report.kept, report.n_malformed) == (7, 3, 0)


def test_predicates_are_names_or_uris_or_all(write):
    path = write("facts.nt", NT)
    assert read_dbpedia(path, predicates=["http://dbpedia.org/property/pages"])[0].rows() == [
        ("Emma", "pages", "12")
    ]
    assert read_dbpedia(path, predicates=None)[0]["relation"].to_list() == [
        "author",
        "subject",
        "genre",
        "pages",
    ]


def test_links_put_item_ids_in_the_place_of_resources(write):
    links = write(
        "links.tsv",
        "7\tEmma\thttp://dbpedia.org/resource/Emma\n8\tEmma II\thttp://dbpedia.org/resource/Emma\n",
    )
    facts, _ = read_dbpedia(write("facts.nt", NT), links, predicates=["author"])
    assert sorted(facts.rows()) == [("7", "author", "Jane_Austen"), ("8", "author", "Jane_Austen")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Emma author Jane\n", "line 1: not an N-Triple"),
        (NT.replace("> .", ">", 1), "line 2: not an N-Triple"),
        (
            "<a> <http://dbpedia.org/ontology/height> <b> .\n",
            "none of its 1 lines is a wanted fact",
        ),
        ("", "is empty; expected N-Triples"),
    ],
)
def test_bad_triples_get_one_sentence(write, content, message):
    with pytest.raises(DataError, match=message):
        read_dbpedia(write("facts.nt", content))


@pytest.mark.real
def test_real_dbbook(data_dir):
    corpus = read_dbbook(data_dir / "dbbook-dbpedia-llm-profiles")
    events = corpus.interactions
    assert (events.height, events["user"].n_unique(), events["item"].n_unique()) == (
        129_316,
        5_660,
        6_617,
    )
    assert (corpus.facts.height, corpus.facts["subject"].n_unique()) == (16_589, 1_931)
    assert corpus.facts.row(0) == ("6181", "author", "Diana_Gabaldon")
    assert corpus.items.filter(item="6181")["title"].item() == "Dragonfly in Amber"


@pytest.mark.real
def test_real_links_name_movies(data_dir, write):
    triple = "<http://dbpedia.org/resource/Suicide_Kings> <http://dbpedia.org/ontology/director> <http://x/y> .\n"
    links = data_dir / "movielens-latest-small-dbpedia/MappingMovielens2DBpedia-1.2.tsv.gz"
    assert read_dbpedia(write("facts.nt", triple), links)[0].rows() == [
        ("1799", "director", "http://x/y")
    ]


@pytest.fixture
def corpus() -> Corpus:
    events = {"user": ["u", "0012"], "item": ["a", "b"], "domain": ["x", "y"], "timestamp": [10**9, None],
              "rating": [4.5, None], "review": ["line\nbreak, \"quote\"", None]}  # fmt: skip
    items = {"item": ["a", "b", "c"], "domain": ["x", "y", "y"], "title": ["A", None, "C"],
             "categories": [["p", "q"], None, []]}  # fmt: skip
    facts = pl.DataFrame({"subject": ["a"], "relation": ["author"], "object": ["Ann"]})
    return Corpus(
        conform(pl.DataFrame(events), INTERACTIONS),
        conform(pl.DataFrame(items), ITEMS),
        facts,
        "two",
        "day",
    )


def test_tidy_round_trip_keeps_everything(corpus, tmp_path):
    again = read_tidy(write_tidy(corpus, tmp_path / "two"))
    assert_frame_equal(again.interactions, corpus.interactions)
    assert_frame_equal(again.items, corpus.items)
    assert_frame_equal(again.facts, corpus.facts)
    assert (again.name, again.clock) == ("two", "day")


def test_tidy_csv_agrees_with_parquet(corpus, write, tmp_path):
    items = corpus.items.with_columns(categories=pl.Series(['["p", "q"]', None, "[]"]))
    again = read_tidy(
        write("i.csv.gz", corpus.interactions.write_csv()), write("items.csv", items.write_csv())
    )
    assert_frame_equal(again.interactions, corpus.interactions)
    assert_frame_equal(again.items, corpus.items)
    assert again.clock == "unix"


def test_tidy_ids_of_digits_keep_their_zeros(write):
    events = read_tidy(write("a.csv", "user,item\n007,0012\n")).interactions
    assert (events["user"][0], events["item"][0]) == ("007", "0012")


def test_tidy_without_times_or_with_positions_keeps_order(write):
    assert read_tidy(write("a.csv", "user,item\nu,a\nv,a\nu,b\n")).interactions[
        "timestamp"
    ].to_list() == [0, 0, 1]
    assert read_tidy(write("b.csv", "user,item,timestamp\nu,a,5\nu,b,9\n")).clock == "order"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user,itm\nu,a\n", r"no column 'item' \(nearest: 'itm'\)"),
        (
            "user,item,rating\nu,a,good\n",
            "column 'rating' holds values such as 'good'; expected Float32",
        ),
        ("user,item\nu,a\n,b\n", "no user in row 2"),
        ("user,item,categories\n", "no interaction|is empty|no rows"),
    ],
)
def test_bad_tidy_tables_get_one_sentence(write, content, message):
    with pytest.raises(DataError, match=message):
        read_tidy(write("a.csv", content))


def test_a_folder_without_interactions_and_a_wrong_clock_are_refused(corpus, tmp_path):
    with pytest.raises(
        DataError, match=r"holds no interactions table; expected interactions\.parquet"
    ):
        read_tidy(tmp_path)
    folder = write_tidy(corpus, tmp_path)
    (folder / "corpus.json").write_text('{"name": "x", "clock": "moon"}')
    with pytest.raises(DataError, match=r"corpus\.json: 'moon'; expected .*or \"order\""):
        read_tidy(folder)


def test_items_without_metadata_get_a_row(write):
    corpus = read_movielens(write("u.data", "1\t2\t3\t881250949\n1\t3\t3\t881250949\n"))
    assert corpus.items["item"].to_list() == ["2", "3"]
    assert corpus.items["title"].null_count() == 2
