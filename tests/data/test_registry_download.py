import hashlib
import io
import json
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reprolib.data.corpus import DataError
from reprolib.data.sources import download
from reprolib.data.sources.download import content_hash, fetch, unpack

CONTENT = bytes(range(256)) * 8192  # 2 MiB
HASH = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT at any address with ranges; breaks off after `cut` bytes of each of the first `deaths` answers."""

    def do_GET(self):
        server = self.server
        start = 0
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if self.path == "/missing":
            return self.send_error(404)
        if wanted and server.ranged and self.headers.get("If-Range", server.tag) == server.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.tag)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            )
        self.end_headers()
        if server.deaths > 0:
            server.deaths -= 1
            self.wfile.write(body[: server.cut])
            self.wfile.flush()
            self.connection.close()
        else:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.content, one.ranges, one.deaths, one.cut, one.ranged, one.tag = (
        CONTENT,
        [],
        0,
        700_000,
        True,
        '"v1"',
    )
    one.url = f"http://127.0.0.1:{one.server_port}/file.bin"
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


def test_a_download_is_checked_recorded_and_not_repeated(server, tmp_path):
    target = fetch(server.url, tmp_path / "file.bin")
    assert target.read_bytes() == CONTENT
    assert json.loads((tmp_path / "checksums.json").read_text()) == {"file.bin": HASH}
    fetch(server.url, tmp_path / "file.bin")
    assert len(server.ranges) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checksums.json", "file.bin"]


def test_a_broken_connection_goes_on_where_it_stopped(server, tmp_path):
    server.deaths = 2
    assert fetch(server.url, tmp_path / "file.bin", HASH).read_bytes() == CONTENT
    first, *later = server.ranges
    assert first is None
    assert [int(wanted.removeprefix("bytes=").removesuffix("-")) > 0 for wanted in later] == [
        True,
        True,
    ]


def test_an_interrupted_process_goes_on_in_the_next_one(server, tmp_path, monkeypatch):
    server.deaths = 1
    monkeypatch.setattr(download, "ATTEMPTS", 0)
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch(server.url, tmp_path / "file.bin", HASH)
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    (tmp_path / "file.bin.part.tag").write_text('"v1"')
    monkeypatch.undo()
    server.deaths = 0
    fetch(server.url, tmp_path / "file.bin", HASH)
    assert server.ranges[-1] == "bytes=1000-"


def test_a_part_of_another_version_is_thrown_away(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"old" * 1000)
    (tmp_path / "file.bin.part.tag").write_text('"v0"')
    assert fetch(server.url, tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranged, server.deaths = False, 1
    assert fetch(server.url, tmp_path / "file.bin", HASH).read_bytes() == CONTENT


def test_a_server_that_always_dies_is_given_up(server, tmp_path, monkeypatch):
    server.deaths, server.cut = 99, 0
    with pytest.raises(DataError, match=r"cannot be downloaded to .*; call again to go on"):
        fetch(server.url, tmp_path / "file.bin", HASH)
    assert len(server.ranges) == download.ATTEMPTS


def test_a_wrong_checksum_keeps_nothing(server, tmp_path):
    with pytest.raises(DataError, match="the checksum differs from the published one"):
        fetch(server.url, tmp_path / "file.bin", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_the_first_checksum_holds_afterwards(server, tmp_path):
    fetch(server.url, tmp_path / "file.bin").unlink()
    server.content = b"another"
    with pytest.raises(DataError, match=r"differs from the first download's in .*checksums\.json"):
        fetch(server.url, tmp_path / "file.bin")


def test_a_missing_address_and_a_strange_one_get_one_sentence(server, tmp_path):
    with pytest.raises(DataError, match="404"):
        fetch(server.url.replace("file.bin", "missing"), tmp_path / "x")
    with pytest.raises(DataError, match="is no web address"):
        fetch("file:///etc/passwd", tmp_path / "x")


def zipped(path, names, link=False):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if link and name == names[-1] else 0o100644) << 16
            archive.writestr(entry, "content of " + name)
    return path


def tarred(path, name, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        for entry_name, entry_kind in (("good.txt", tarfile.REGTYPE), (name, kind)):
            entry = tarfile.TarInfo(entry_name)
            entry.type, entry.linkname = entry_kind, "/etc/passwd"
            entry.size = 2 if entry_kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"ok") if entry.size else None)
    return path


def test_archives_are_unpacked_with_their_folders(tmp_path):
    unpack(zipped(tmp_path / "a.zip", ["ml/u.data", "readme"]), tmp_path / "zip")
    assert (tmp_path / "zip/ml/u.data").read_text() == "content of ml/u.data"
    unpack(tarred(tmp_path / "a.tar.gz", "deep/er/x.txt"), tmp_path / "tar")
    assert (tmp_path / "tar/deep/er/x.txt").read_bytes() == b"ok"


@pytest.mark.parametrize(
    "name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:/out.txt"]
)
def test_entries_that_lead_out_are_refused_and_nothing_is_written(tmp_path, name):
    for archive in (
        zipped(tmp_path / "a.zip", ["good.txt", name]),
        tarred(tmp_path / "a.tar.gz", name),
    ):
        with pytest.raises(DataError, match="leads out of the folder, so nothing was unpacked"):
            unpack(archive, tmp_path / "in")
    assert not (tmp_path / "in").exists()
    assert not (tmp_path / "out.txt").exists()


def test_links_and_devices_are_refused(tmp_path):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    archives = [tarred(tmp_path / f"{n}.tar.gz", "link", kind) for n, kind in enumerate(kinds)]
    archives.append(zipped(tmp_path / "a.zip", ["good.txt", "link"], link=True))
    for archive in archives:
        with pytest.raises(DataError, match="is a link or a device"):
            unpack(archive, tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.zip").write_text("<html>not found</html>")
    with pytest.raises(DataError, match="is no archive"):
        unpack(tmp_path / "a.zip", tmp_path)


def test_content_hash_sees_through_gzip(write):
    assert content_hash(write("a.txt", b"abc")) == content_hash(write("a.txt.gz", b"abc"))
    assert content_hash(write("a.txt", b"abc")) == hashlib.sha256(b"abc").hexdigest()
