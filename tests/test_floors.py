"""Imports run downwards only, however deep in a function they stand; docs/architecture.md shows the house."""

import re

import pytest

from reprolib.catalogue import PAPERS
from reprolib.runs.digest import ROOT, imports_of

# from the ground up; the longest prefix of a module's name decides, and a floor may read itself and what is below
FLOORS = (
    ("cache", "catalogue", "folders", "flat_yaml"),
    ("data",),
    ("graph", "nn", "text", "evaluate"),
    ("llm",),
    ("training",),
    ("baselines",),
    ("rerankers",),
    ("papers",),
    ("runs",),
    ("report",),
    (
        "papers.TABLES",
        "papers.agreement_world",
        "papers.language_tables",
        "papers.persona4rec.serving",
    ),
    (
        "project",
        "notebook_style",
        "parameter_checks",
        "parameter_names",
        "committed_figures",
        "page_style",
        "pages",
        "run_notebooks",
    ),
    ("cli",),
)
MODULES = {
    path.relative_to(ROOT)
    .with_suffix("")
    .as_posix()
    .replace("/", ".")
    .removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
    if path != ROOT / "__init__.py"
}


def floor(module):
    # a paper's tables and figures are made from runs and published numbers, so they stand above both
    name = re.sub(r"^papers\.\w+\.(\w+_)?(tables|figures)$", "papers.TABLES", module)
    found = [
        (len(prefix), number)
        for number, prefixes in enumerate(FLOORS)
        for prefix in prefixes
        if name == prefix or name.startswith(f"{prefix}.")
    ]
    assert found, f"{module} stands on no floor; add it to FLOORS"
    return max(found)[1]


def paper(module):
    parts = module.split(".")
    inside = len(parts) > 1 and parts[0] == "papers"
    return parts[1] if inside and parts[1] in {p.key for p in PAPERS} else None


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_reads_nothing_from_above(module):
    own = [
        name.removeprefix("reprolib.") for name in imports_of(MODULES[module]) if name != "reprolib"
    ]
    above = [name for name in own if name in MODULES and floor(name) > floor(module)]
    assert above == [], f"{module} imports {above} from a floor above it"
    if paper(module):
        others = [name for name in own if paper(name) not in (None, paper(module))]
        assert others == [], f"{module} imports another paper: {others}"
