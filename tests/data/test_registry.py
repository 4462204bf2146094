import functools
import hashlib
import http.server
import threading
import zipfile

import pytest
from click.testing import CliRunner

from reprolib.data.cli import data
from reprolib.data.corpus import DataError
from reprolib.data.sources import registry
from reprolib.data.sources.download import content_hash
from reprolib.data.sources.registry import get, load, source, sources


def test_every_source_is_complete():
    from reprolib.data.sources.converters import CONVERTERS

    for name, entry in sources().items():
        assert entry.about, name
        assert entry.terms, name
        assert entry.cite, name
        assert entry.files or entry.manual, name
        assert entry.convert is None or (entry.convert in CONVERTERS and entry.domains), name
        assert all(
            file["url"].startswith("https://") and "/" not in file["name"] for file in entry.files
        ), name
        assert all(len(file.get("sha256", "0" * 64)) == 64 for file in entry.files), name


def test_a_family_is_resolved_to_one_category():
    entry = source("amazon2014/Books")
    assert entry.domains == ("Books",)
    assert [file["name"] for file in entry.files] == [
        "reviews_Books_5.json.gz",
        "meta_Books.json.gz",
    ]
    assert entry.files[0]["url"].endswith("/reviews_Books_5.json.gz")


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(
        DataError, match=r"'movielens-100' is no known data set; did you mean movielens-100k"
    ):
        source("movielens-100")
    with pytest.raises(DataError, match="is no known data set"):
        source("amazon2014/Bookshelves")


def test_an_absent_or_incomplete_set_shows_the_command(tmp_path):
    for _ in range(2):
        with pytest.raises(DataError, match=r"(?m)^ *reprolib data get movielens-100k$"):
            load("movielens-100k", tmp_path)
        (tmp_path / "movielens-100k").mkdir(exist_ok=True)
        (tmp_path / "movielens-100k/u.data.part").touch()


def test_a_set_to_be_fetched_by_hand_says_how(tmp_path):
    with pytest.raises(
        DataError, match="cannot be downloaded by this command: its terms must be accepted"
    ):
        get("yelp", tmp_path)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A web server with a small MovieLens archive, known to the registry as `tiny`."""
    folder = tmp_path / "www"
    folder.mkdir()
    with zipfile.ZipFile(folder / "ml.zip", "w") as archive:
        archive.writestr("ml/u.data", "1\t2\t3\t881250949\n1\t3\t4\t881250950\n")
        archive.writestr("ml/u.item", "2|Film (1995)|||http://x" + "|0" * 19 + "\n")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    (folder / "u.data").write_text("1\t2\t3\t881250949\n1\t3\t4\t881250950\n")
    file = {"name": "ml.zip", "url": f"http://127.0.0.1:{server.server_port}/ml.zip", "unpack": True,
            "content": {"u.data": content_hash(folder / "u.data")}}  # fmt: skip
    entry = registry.Source(
        "tiny", "Tiny films", "none", "nobody", "movielens", ("movies",), (file,)
    )
    monkeypatch.setattr(registry, "sources", lambda: {"tiny": entry})
    yield file
    server.shutdown()
    server.server_close()


def test_get_downloads_unpacks_checks_and_writes_the_tidy_form(shop, tmp_path):
    folder = get("tiny", tmp_path / "data")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checksums.json", "corpus.json", "interactions.parquet", "items.parquet", "ml", "ml.zip",
    ]  # fmt: skip
    corpus = load("tiny", tmp_path / "data")
    assert corpus.interactions.height == 2
    assert (corpus.name, corpus.clock) == ("tiny", "unix")
    assert corpus.items["title"].to_list() == ["Film (1995)", None]


def test_get_refuses_a_changed_content(shop, tmp_path):
    shop["content"] = {"u.data": "0" * 64}
    with pytest.raises(DataError, match="its content has not the published checksum"):
        get("tiny", tmp_path / "data")
    assert not (tmp_path / "data/tiny/corpus.json").exists()


def test_the_command_lists_gets_and_describes(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("REPROLIB_DATA", str(tmp_path / "data"))
    run = CliRunner().invoke
    assert "tiny" in run(data, ["list"]).output
    result = run(data, ["get", "tiny"])
    assert result.exit_code == 0, result.output
    assert "Terms: none" in result.output
    for target in ("tiny", "tiny/ml/u.data"):
        output = run(data, ["describe", str(tmp_path / "data" / target)]).output.split()
        assert {"users", "1", "items", "2", "interactions", "1997-12-04"} <= set(output)
    assert "here" in run(data, ["list"]).output


def test_describe_names_malformed_lines_and_unknown_files(write):
    run = CliRunner().invoke
    good = '{"reviewerID": "A2IBPI20UZIR0U", "asin": "1384719342", "overall": 5, "unixReviewTime": 1393545600}\n'
    output = run(data, ["describe", str(write("reviews_x.json.gz", good * 200 + "oops\n"))]).output
    assert "Amazon 2014 or 2018 reviews" in output
    assert "1 of 201 lines" in output
    assert "line 201: not JSON: 'oops'" in output
    result = run(data, ["describe", str(write("notes.txt", "hello world\n"))])
    assert result.exit_code == 1
    assert "begins with 'hello world', which is no known format" in result.output


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("ratings_x.csv", "A2IBPI20UZIR0U,1384719342,5.0,1393545600\n", "Amazon ratings"),
        ("u.data", "1\t2\t3\t881250949\n", "MovieLens ratings"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,881250949\n", "MovieLens ratings"),
        ("i.csv", "user_id,book_id,is_read,rating,is_reviewed\n0,1,1,3,0\n", "Goodreads"),
        ("t.csv", "user,item,timestamp\na,b,1393545600\n", "tidy interactions"),
        ("f.nt", "<http://a/s> <http://a/p> <http://a/o> .\n", "N-Triples"),
        ("s.json", "{'user_id': 'a', 'reviews': [{'posted': 'Posted June 5, 2011.', 'item_id': '1', "
                   "'recommend': True, 'review': 'x'}]}\n", "Steam reviews by user"),
    ],
)  # fmt: skip
def test_describe_knows_the_format_by_content(write, name, content, kind):
    result = CliRunner().invoke(data, ["describe", str(write(name, content))])
    assert result.exit_code == 0, result.output
    assert kind in result.output.splitlines()[0]


def test_describe_refuses_item_files(write):
    result = CliRunner().invoke(
        data, ["describe", str(write("meta.json", '{"asin": "b", "title": "t"}\n'))]
    )
    assert "holds Amazon metadata, which say something about items only" in result.output


@pytest.mark.real
def test_published_checksums_are_those_of_the_real_files(data_dir):
    checked = 0
    for name, entry in sources().items():
        folder = registry.locate(entry, data_dir)
        for file in entry.files if folder else ():
            path = next(
                (
                    p
                    for p in (folder / file["name"], folder / (file["name"] + ".gz"))
                    if p.is_file()
                ),
                None,
            )
            if path is None or "sha256" not in file:
                continue
            packed = file["name"].endswith(".gz")
            known = hashlib.sha256(path.read_bytes()).hexdigest() if packed else content_hash(path)
            assert known == file["sha256"], (name, file["name"])
            checked += 1
    assert checked >= 17
