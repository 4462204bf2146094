"""Where a table or figure comes from: one manifest line per artefact, one index page per profile."""

import functools
import hashlib
import json
import os
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reprolib.catalogue import PARTS

PACKAGES = ("reprolib", "numpy", "pandas", "polars", "torch", "transformers", "matplotlib")
_STARTED = time.monotonic()


def provenance(
    *,
    profile: str,
    dataset: str,
    digest: str = "",
    annotator: str = "none",
    encoder: str = "none",
    seeds: tuple[int, ...] | list[int] = (),
    users: int = 0,
) -> dict:
    """What stands under every table and figure.

    dataset, digest  the data set's name and the digest of the prepared data (`Split.digest`)
    annotator        who wrote the LLM texts ("none" where no text was written)
    seeds, users     the seeds that were run and the number of users that were ranked or counted
    """
    return {
        "profile": profile,
        "dataset": dataset,
        "digest": digest,
        "annotator": annotator,
        "encoder": encoder,
        "seeds": [int(s) for s in seeds],
        "users": int(users),
    }


def footnote(about: dict) -> str:
    """The one-line origin shown under a table. Raises ValueError where `about` does not come from `provenance`."""
    missing = {"profile", "dataset", "annotator", "encoder", "seeds", "users"} - about.keys()
    if missing:
        raise ValueError(
            f"`about` lacks {', '.join(sorted(missing))}; build it with provenance(...)"
        )
    seeds = ", ".join(map(str, about["seeds"])) or "none"
    users = f"{about['users']:,}" if about["users"] else "not applicable"
    return (
        f"Profile {about['profile']}; data {about['dataset']}; annotator {about['annotator']}; "
        f"encoder {about['encoder']}; users {users}; seeds {seeds}."
    )


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def _commit() -> str:
    """Commit of the code that is running, with "+" when files of the package differ from it; "" outside git."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "-C", here, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
        )
        if head.returncode:
            return ""
        dirty = subprocess.run(
            ["git", "-C", here, "status", "--porcelain", "--", here.parent], capture_output=True
        )
    except OSError:
        return ""
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def record(root: Path, name: str, caption: str, about: dict, files: list[Path]) -> None:
    """Write (or replace) the artefact's line in `<root>/<part>/manifest.jsonl` and refresh the index page."""
    manifest = root / Path(name).parent / "manifest.jsonl"
    lines = {line["name"]: line for line in read_manifest(manifest)}
    lines[name] = {
        "name": name,
        "caption": caption,
        **about,
        "files": {f.name: hashlib.sha256(f.read_bytes()).hexdigest()[:16] for f in files},
        "versions": _versions(),
        "commit": _commit(),
        "seconds": round(time.monotonic() - _STARTED, 1),
    }
    write_atomically(
        manifest, "".join(json.dumps(lines[k], ensure_ascii=False) + "\n" for k in sorted(lines))
    )
    write_index(root)


def read_manifest(path: Path) -> list[dict]:
    """The lines of one manifest; an empty list where it does not exist yet."""
    return (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


def write_index(root: str | Path) -> Path:
    """Write `<root>/README.md`, which shows every table and picture below root, part by part."""
    root = Path(root)
    entries = [line for part in PARTS for line in read_manifest(root / part / "manifest.jsonl")]
    profile = entries[0]["profile"] if entries else root.name
    page = [f"# Tables and figures, profile `{profile}`\n"]
    if profile in ("smoke", "quick"):
        page.append(
            "Made on the miniature world, a synthetic data set (docs/miniature-world.md): "
            "these are not the papers' numbers.\n"
        )
    for part in PARTS:
        lines = [e for e in entries if e["name"].startswith(part + "/")]
        if lines:
            page.append(f"\n## {part}\n")
        for entry in lines:
            name = entry["name"]
            page.append(f"\n### {name.split('/')[1]}\n")
            table = root / f"{name}.md"
            if table.exists():
                page.append(table.read_text("utf-8"))
            else:
                page.append(f"![{name}]({name}.png)\n\n{entry['caption']}\n\n*{footnote(entry)}*\n")
    path = root / "README.md"
    write_atomically(path, "\n".join(page))
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write text so that a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)
