"""Where a table or figure comes from: one manifest line per artefact, written under a lock."""

import contextlib
import functools
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reprolib.catalogue import PARTS
from reprolib.data.origin import Origin

PACKAGES = ("reprolib", "numpy", "pandas", "polars", "torch", "transformers", "matplotlib")
MANIFEST = "manifest.jsonl"
_STARTED = time.monotonic()


def origin_record(origin: Origin, profile: str) -> dict:
    """What a manifest line says of an artefact's origin."""
    return {
        "profile": profile,
        "datasets": list(origin.datasets),
        "digests": list(origin.digests),
        "annotators": list(origin.annotators),
        "encoders": list(origin.encoders),
        "seeds": list(origin.seeds),
        "users": origin.n_users,
    }


def origin_line(record: dict) -> str:
    """The line below a table or picture; `record` from `origin_record` or a manifest line."""
    seeds = ", ".join(map(str, record["seeds"])) or "none"
    users = f"{record['users']:,}" if record["users"] else "not applicable"
    return (
        f"Profile {record['profile']}; data {', '.join(record['datasets']) or 'none'}; "
        f"annotator {', '.join(record['annotators']) or 'none'}; "
        f"encoder {', '.join(record['encoders']) or 'none'}; users {users}; seeds {seeds}."
    )


def add_to_manifest(root: Path, name: str, entry: dict, files: list[Path]) -> None:
    """Write (or replace) the artefact's line in `<root>/<part>/manifest.jsonl`.

    name   "part/table1_subject"
    entry  caption and `origin_record`
    files  what was written; their digests stand in the line
    Several processes may write at the same time: no line is lost.
    """
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}
    line = {"name": name, **entry, "files": digests, "versions": _versions(), "commit": _commit()}
    line["seconds"] = round(time.monotonic() - _STARTED, 1)
    manifest = root / Path(name).parent / MANIFEST
    with locked(root):
        lines = {known["name"]: known for known in read_manifest(manifest)}
        lines[name] = line
        text = "".join(json.dumps(lines[key], ensure_ascii=False) + "\n" for key in sorted(lines))
        write_atomically(manifest, text)


def read_manifest(path: Path) -> list[dict]:
    """The lines of one manifest; an empty list where it does not exist yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def read_manifests(root: Path) -> list[dict]:
    """The lines of all parts below root, in the order of the parts."""
    return [line for part in PARTS for line in read_manifest(root / part / MANIFEST)]


def title_of(name: str) -> str:
    """ "Table 1b" of "semacdr/table1b_gain"."""
    kind, number = re.match(r"(table|figure)(\w*?)_", name.split("/")[1]).groups()
    return f"{kind.capitalize()} {number}"


def stale(root: Path) -> list[str]:
    """One sentence per group of artefacts below `root` that other code or parameters than the present made.

    An artefact is current where neither the package, nor a notebook, nor a parameter file of its profile has changed
    since the commit that made it. Outside git nothing can be said: [].
    """
    root = Path(root)
    groups: dict[tuple[str, str], list[str]] = {}
    for line in read_manifests(root):
        groups.setdefault((line.get("commit", ""), line["profile"]), []).append(line["name"])
    sentences = []
    for (commit, profile), names in groups.items():
        reason = _why_stale(commit, profile)
        if reason:
            listed = ", ".join(names[:3]) + (
                f" and {len(names) - 3} more" if len(names) > 3 else ""
            )
            sentences.append(f"{listed}: {reason}")
    return sentences


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write so that a reader sees the old file or the new one, never half of it; a full disk leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of a figures folder; it lies in the cache, so that the folder holds results only."""
    from filelock import FileLock

    from reprolib.cache import cache_dir

    folder = cache_dir() / "locks"
    folder.mkdir(exist_ok=True)
    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    with FileLock(folder / f"{name}.lock", timeout=60):
        yield


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@functools.cache
def _commit() -> str:
    """Commit of the code that is running, with "+" when files of the project differ from it; "" outside git."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if head is None:
        return ""
    changed = _git("status", "--porcelain", "--", "reprolib", "notebooks", "params")
    return head + ("+" if changed else "")


def _why_stale(commit: str, profile: str) -> str:
    """Why what this commit rendered is no longer current; "" where it is, or where nobody can say."""
    if not commit or _git("rev-parse", "HEAD") is None:
        return ""
    if commit.endswith("+"):
        return f"rendered from uncommitted code on top of {commit[:-1]}"
    paths = ("reprolib", "notebooks", f"params/{profile}", "params/published")
    changed = _git("diff", "--name-only", commit, "--", *paths)
    if changed is None:
        return f"made by commit {commit}, which this checkout does not know"
    files = changed.split("\n") if changed else []
    return f"{len(files)} files have changed since commit {commit} made them" if files else ""


def _git(*arguments: str) -> str | None:
    """What git prints in the project's folder; None where it fails or is not installed."""
    folder = Path(__file__).parents[2]
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True
        )
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
