"""Published sets with knowledge graphs: small copies of their files, and the real ones where they are."""

import gzip

import pytest

from reprolib.data.corpus import DataError
from reprolib.data.sources.converters import CONVERTERS


def put(folder, name, *lines):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def facts_of(corpus):
    return sorted(corpus.facts.iter_rows())


def titles_of(corpus):
    return dict(corpus.items.cast({"item": str}).select("item", "title").iter_rows())


def test_facebook_books_keeps_direct_properties_and_reads_titles_off_resources(tmp_path):
    put(tmp_path, "dataset.tsv.gz", "1\t7\t1.0", "2\t8\t1.0")
    put(
        tmp_path,
        "linking.tsv.gz",
        "7\thttp://dbpedia.org/resource/Rising_Sun_(novel)",
        "8\thttp://dbpedia.org/resource/Emma",
    )
    put(
        tmp_path,
        "predicate_mapping.tsv.gz",
        "http://dbpedia.org/ontology/author\t0\t1",
        "http://dbpedia.org/ontology/author~http://dbpedia.org/ontology/birthPlace\t1\t2",
    )
    put(tmp_path, "item_features.tsv.gz", "7\t0\t5", "7\t1\t6", "9\t0\t5")
    corpus = CONVERTERS["facebook_books"](tmp_path, ("books",))
    assert titles_of(corpus) == {"7": "Rising Sun", "8": "Emma"}
    assert facts_of(corpus) == [("7", "author", "object 5")]
    assert corpus.clock == "order"


def test_a_line_with_too_few_fields_is_named(tmp_path):
    put(tmp_path, "dataset.tsv.gz", "1\t7\t1.0", "2 8 1.0")
    put(tmp_path, "linking.tsv.gz", "7\thttp://dbpedia.org/resource/Emma")
    with pytest.raises(DataError, match=r"dataset\.tsv\.gz, line 2: 1 fields; expected 3"):
        CONVERTERS["facebook_books"](tmp_path, ("books",))


def movielens(folder):
    put(
        folder,
        "ratings.csv.gz",
        "userId,movieId,rating,timestamp",
        "1,31,2.5,1260759144",
        "1,32,4.0,1260759145",
    )
    put(
        folder,
        "movies.csv.gz",
        "movieId,title,genres",
        "31,Dangerous Minds (1995),Drama",
        "32,Twelve Monkeys (1995),Sci-Fi",
    )


def test_movielens_gets_dbpedias_categories(tmp_path):
    movielens(tmp_path)
    put(
        tmp_path,
        "cat/features.tsv.gz",
        "0\t<http://purl.org/dc/terms/subject><http://dbpedia.org/resource/Category:1995_films>",
    )
    put(tmp_path, "cat/map.tsv.gz", "31\t0", "99\t0")
    corpus = CONVERTERS["movielens_dbpedia"](tmp_path, ("movies",))
    assert facts_of(corpus) == [("31", "subject", "Category:1995_films")]
    assert corpus.clock == "unix"


def test_an_unknown_feature_number_is_named(tmp_path):
    movielens(tmp_path)
    put(
        tmp_path,
        "cat/features.tsv.gz",
        "0\t<http://purl.org/dc/terms/subject><http://dbpedia.org/resource/X>",
    )
    put(tmp_path, "cat/map.tsv.gz", "31\t0", "32\t5")
    with pytest.raises(DataError, match=r"line 2: feature '5' is not in features"):
        CONVERTERS["movielens_dbpedia"](tmp_path, ("movies",))


def test_a_freebase_triple_counts_on_either_side(tmp_path):
    put(tmp_path, "u.data.gz", "1\t3\t4\t881250949", "1\t4\t4\t881250950")
    put(tmp_path, "u.item.gz", "3|Emma (1996)|01-Jan-1996||url|" + "|".join(["0"] * 18 + ["1"]))
    put(tmp_path, "recbole/ml-100k.link.gz", "item_id:token\tentity_id:token", "3\tm.1")
    put(
        tmp_path,
        "recbole/ml-100k.kg.gz",
        "head_id:token\trelation_id:token\ttail_id:token",
        "m.1\tfilm.genre\tm.7",
        "m.8\tperson.film\tm.1",
        "m.8\tperson.film\tm.9",
    )
    corpus = CONVERTERS["movielens_freebase"](tmp_path, ("movies",))
    assert facts_of(corpus) == [("3", "film.genre", "m.7"), ("3", "person.film", "m.8")]


def test_amazon_kg_joins_links_titles_and_attributes(tmp_path):
    inter = ("user_id:token\titem_id:token\trating:float", "u\tA\t1", "u\tB\t1")
    put(tmp_path, "Amazon-KG-5core-Books.inter.gz", *inter)
    put(
        tmp_path,
        "Amazon-KG-5core-Books.link.gz",
        "item_id:token\tentity_id:token",
        "A\tres:Emma",
        "B\tres:Dune_(novel)",
    )
    put(tmp_path, "v1/items_Books.csv.gz", "iid\ttitle\turi", "A\tEmma.*Again\tx")
    put(
        tmp_path,
        "v1/item_metadata_Books.csv.gz",
        "iid\tmetadata",
        "A\tcat:Novels\tres:Jane_Austen",
        "C\tcat:Novels",
    )
    corpus = CONVERTERS["amazon_kg"](tmp_path, ("books",))
    assert titles_of(corpus) == {"A": "Emma Again", "B": "Dune"}
    assert ("A", "attribute", "cat:Novels") in facts_of(corpus)
    assert ("B", "sameAs", "Dune_(novel)") in facts_of(corpus)
    assert len(facts_of(corpus)) == 4


@pytest.mark.parametrize(
    ("name", "domain", "items"),
    [
        ("dbbook-dbpedia-llm-profiles", "books", 5829),
        ("facebook-books-dbpedia", "books", 2726),
        ("movielens-latest-small-dbpedia", "movies", 9066),
        ("movielens-100k-freebase", "movies", 1682),
        ("amazon-kg-books-movies", "books", 8318),
        ("amazon-kg-books-movies", "movies", 4779),
    ],
)
def test_the_real_sets_have_items_and_facts(name, domain, items, data_dir):
    from reprolib.data.datasets import load_dataset
    from reprolib.data.sources import registry

    if registry.locate(registry.source(name), data_dir) is None:
        pytest.skip(f"{name} is not below REPROLIB_DATA")
    dataset = load_dataset(name, domain, data_dir=str(data_dir))
    first, last = dataset.split.candidates
    assert last - first + 1 == items
    assert dataset.corpus.facts.height > 1000
