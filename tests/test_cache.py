"""Folders and files of the cache that cannot be used: one sentence each, and the advice never costs paid answers."""

import sqlite3

import pytest

from reprolib import cache
from reprolib.cache import cache_dir, open_database

SCHEMA = "CREATE TABLE IF NOT EXISTS answers (answer TEXT)"


def test_a_cache_that_is_a_file_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("REPROLIB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="there is a file of that name"):
        cache_dir()
    with pytest.raises(ValueError, match="Not a directory"):
        cache_dir(tmp_path / "cache" / "below")


def test_a_locked_file_is_waited_for_not_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    path = tmp_path / "llm.sqlite"
    open_database(path, SCHEMA).close()
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=DELETE")
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ValueError, match="another process writes") as caught:
        open_database(path, SCHEMA)
    assert "delete" not in str(caught.value)
    writer.close()


def test_a_damaged_file_may_be_deleted(tmp_path):
    path = tmp_path / "llm.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(ValueError, match="delete it and it is made again"):
        open_database(path, SCHEMA)


def refusing(name):
    def open_for_writing(path, schema):
        error = sqlite3.OperationalError("refused")
        error.sqlite_errorname = name
        raise error

    return open_for_writing


def test_what_others_wrote_can_be_read_from_a_read_only_folder(tmp_path, monkeypatch):
    path = tmp_path / "a class's share" / "llm.sqlite"
    path.parent.mkdir()
    writer = open_database(path, SCHEMA)
    writer.execute("INSERT INTO answers VALUES ('paid')")
    writer.commit()
    writer.close()
    monkeypatch.setattr(cache, "_open_for_writing", refusing("SQLITE_READONLY_DIRECTORY"))
    reader = open_database(path, SCHEMA)
    assert reader.execute("SELECT answer FROM answers").fetchall() == [("paid",)]
    reader.close()
    with pytest.raises(ValueError, match="cannot be opened as a cache file"):
        open_database(tmp_path / "absent.sqlite", SCHEMA)


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_open_for_writing", refusing("SQLITE_FULL"))
    with pytest.raises(ValueError, match="the disk is full; free some space"):
        open_database(tmp_path / "llm.sqlite", SCHEMA)
