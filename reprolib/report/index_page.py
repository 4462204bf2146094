"""The page that shows every table and picture of a profile, part by part."""

from pathlib import Path

from reprolib.catalogue import PAPERS, PARTS
from reprolib.report.escape import to_markdown
from reprolib.report.provenance import (
    locked,
    origin_line,
    read_manifests,
    title_of,
    write_atomically,
)

TITLES = {
    "data": "Data",
    "protocol": "Protocol",
    "language": "Language models",
    "scorecard": "Scorecard",
} | {paper.key: paper.name for paper in PAPERS}


def write_index(root: str | Path) -> Path:
    """Write `<root>/README.md`: a table of contents, then the tables of each part with its figures among them."""
    root = Path(root)
    with locked(root):
        entries = read_manifests(root)
        path = root / "README.md"
        write_atomically(path, "\n".join(_page(root, entries)))
    return path


def _page(root: Path, entries: list[dict]) -> list[str]:
    profile = entries[0]["profile"] if entries else root.name
    page = [f"# Tables and figures, profile `{profile}`\n"]
    if profile in ("smoke", "quick"):
        page.append(
            "Made on the miniature world, a synthetic data set (docs/miniature-world.md): "
            "these are not the papers' numbers.\n"
        )
    parts = {part: [e for e in entries if e["name"].startswith(f"{part}/")] for part in PARTS}
    for part, lines in parts.items():
        if lines:
            names = ", ".join(f"[{_title(line)}](#{_anchor(line)})" for line in _in_order(lines))
            page.append(f"* [{TITLES[part]}](#{part}): {names}")
    for part, lines in parts.items():
        if not lines:
            continue
        page.append(f'\n<a id="{part}"></a>\n\n## {TITLES[part]}\n')
        for line in _in_order(lines):
            page += _entry(root, line)
    return page


def _entry(root: Path, line: dict) -> list[str]:
    name = line["name"]
    head = f'\n<a id="{_anchor(line)}"></a>\n\n### {_title(line)}: {to_markdown(_subject(name))}\n'
    table = root / f"{name}.md"
    if table.exists():
        return [head, table.read_text("utf-8")]
    caption = to_markdown(line["caption"])
    text = f"**{_title(line)}.** {caption}\n\n![{caption}]({name}.png)\n\n*{to_markdown(origin_line(line))}*\n"
    return [head, text]


def _in_order(lines: list[dict]) -> list[dict]:
    """Tables and figures by number, a table before the figure of the same number."""

    def key(line: dict) -> tuple[int, str, bool]:
        number = _title(line).split()[-1]
        digits = "".join(c for c in number if c.isdigit())
        return int(digits or 0), number, line["name"].split("/")[1].startswith("figure")

    return sorted(lines, key=key)


def _title(line: dict) -> str:
    return title_of(line["name"])


def _anchor(line: dict) -> str:
    return line["name"].replace("/", "-")


def _subject(name: str) -> str:
    return name.split("/")[1].partition("_")[2].replace("_", " ")
