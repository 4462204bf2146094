"""Downloads that resume and are checked, and archives that cannot write outside their folder."""

import gzip
import hashlib
import json
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from reprolib.data.corpus import DataError

ATTEMPTS = 5  # in a row without a single new byte
CHUNK = 1 << 16  # bytes; what came of an unfinished chunk is lost with the connection
TIMEOUT = 30  # seconds without an answer
RECORD = "checksums.json"


def fetch(url: str, target: Path, sha256: str | None = None) -> Path:
    """Download `url` to `target` unless it is there already with the right SHA-256; an interrupted download goes on.

    Without a published checksum the one of the first download is kept in checksums.json beside the file and holds
    from then on. Raises DataError when the server fails for good or the content is not what it should be.
    """
    import pooch

    pooch.get_logger().setLevel("ERROR")  # its log repeats what this module says
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url} is no web address; expected one that starts with https://")
    record = _recorded(target.parent)
    known = sha256 or record.get(target.name)
    part = target.with_name(target.name + ".part")
    try:
        pooch.retrieve(
            url,
            f"sha256:{known}" if known else None,
            target.name,
            target.parent,
            downloader=_resuming(part),
        )
    except ValueError:
        first = (
            "the published one" if sha256 else f"the first download's in {target.parent / RECORD}"
        )
        raise DataError(
            f"{url}: the checksum differs from {first} ({known[:12]}...); the file was changed or damaged "
            "and was not kept"
        ) from None
    except OSError as error:
        raise DataError(
            f"{url} cannot be downloaded to {target}: {error}; call again to go on"
        ) from None
    if target.name not in record:
        record[target.name] = known or pooch.file_hash(str(target))
        (target.parent / RECORD).write_text(
            json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
    return target


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise DataError(f"{path} is not JSON; expected file names with their SHA-256") from None


def _resuming(part: Path) -> Callable:
    """A downloader for pooch that continues `part`; `part`.tag holds the server's name for that version."""
    import requests

    tag = part.with_name(part.name + ".tag")

    def download(url: str, output: str, _pooch) -> None:
        failures = 0
        error = None
        while failures < ATTEMPTS:
            before = part.stat().st_size if part.is_file() else 0
            try:
                _continue(url, part, tag, before)
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as failed:
                error = failed
                failures = 0 if part.is_file() and part.stat().st_size > before else failures + 1
                continue
            os.replace(part, output)
            tag.unlink(missing_ok=True)
            return
        raise OSError(f"no answer after {ATTEMPTS} attempts ({type(error).__name__})")

    return download


def _continue(url: str, part: Path, tag: Path, start: int) -> None:
    import requests
    from tqdm.auto import tqdm

    # bytes as they are stored, or offsets would not match
    headers = {"Accept-Encoding": "identity"}
    if start and tag.is_file():
        headers |= {"Range": f"bytes={start}-", "If-Range": tag.read_text(encoding="utf-8")}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        # nothing is left to send, or the file shrank: only the checksum knows
        if answer.status_code == 416:
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("range refused; starting again")
        answer.raise_for_status()
        resumed = answer.status_code == 206
        name = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if name and not name.startswith("W/"):  # a weak tag does not promise equal bytes
            tag.write_text(name, encoding="utf-8")
        if not resumed:
            start = 0
        total = None
        if "Content-Length" in answer.headers:
            total = start + int(answer.headers["Content-Length"])
        bar = tqdm(
            total=total,
            initial=start,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            leave=False,
        )
        with part.open("ab" if resumed else "wb") as file, bar:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if total is not None and part.stat().st_size < total:
            raise requests.ConnectionError("the connection ended early")


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip or tar archive into `folder`; nothing is written if any entry is a link or would leave it."""
    with _entries(archive) as entries:
        for name, kind, _ in entries:
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if (
                kind == "other"
                or not parts
                or ".." in parts
                or parts[0].startswith("/")
                or ":" in parts[0]
            ):
                what = "is a link or a device" if kind == "other" else "leads out of the folder"
                raise DataError(
                    f"{archive}: entry {name!r} {what}, so nothing was unpacked; expected plain files"
                )
        written = []
        for name, kind, content in entries:
            target = folder / PurePosixPath(name.replace("\\", "/"))
            if kind == "folder":
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with content() as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
            written.append(target)
    return written


@contextmanager
def _entries(path: Path) -> Iterator[list[tuple[str, str, Callable[[], BinaryIO]]]]:
    """The entries of an archive as (name, "file" | "folder" | "other", opener)."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield [
                (e.filename, _zip_kind(e), lambda e=e: archive.open(e)) for e in archive.infolist()
            ]
        return
    if not tarfile.is_tarfile(path):
        raise DataError(f"{path} is no archive; expected zip or tar")
    with tarfile.open(path) as archive:
        try:
            found = archive.getmembers()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(
                f"{path}: {error}; expected a whole archive, download it again"
            ) from None
        kinds = [("file" if e.isreg() else "folder" if e.isdir() else "other") for e in found]
        yield [
            (e.name, kind, lambda e=e: archive.extractfile(e))
            for e, kind in zip(found, kinds, strict=True)
        ]


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "other"
    return "folder" if entry.is_dir() else "file"


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content, decompressed where it is gzip: the same for NAME and NAME.gz."""
    total = hashlib.sha256()
    for chunk in _content(path):
        total.update(chunk)
    return total.hexdigest()


def _content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source = gzip.GzipFile(fileobj=raw) if packed else raw
        while chunk := source.read(CHUNK):
            yield chunk
