"""The ways to install the project say the same thing."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from reprolib.notebook_style import as_text
from reprolib.project import notebooks, root_folder

ROOT = root_folder()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lock():
    lines = (ROOT / "requirements.lock").read_text().split()
    return {
        re.sub(r"[-_.]+", "-", name).lower(): Version(version)
        for name, version in (x.split("==") for x in lines)
    }


def test_every_dependency_is_pinned():
    pins = lock()
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + [
        r for name in ("llm", "serve", "cluster", "dev") for r in extras[name]
    ]
    for requirement in map(Requirement, wanted):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in pins, f"{requirement} is not in requirements.lock; run make lock"
        assert pins[name] in requirement.specifier, requirement


def test_conda_users_get_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["--constraint requirements.lock", "-e .[llm,serve,cluster,dev]"]
    assert "-e '.[llm,serve,cluster,dev]'" in (ROOT / "Makefile").read_text()
    assert "--constraint requirements.lock" in (ROOT / "Makefile").read_text()


def test_ci_runs_the_readme_command():
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"
    assert "make test" in (ROOT / "README.md").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1]["run"] == "make test"


def test_notebooks_are_stored_as_nbstripout_leaves_them():
    pytest.importorskip("nbstripout")
    files = [*map(str, notebooks(ROOT)), *map(str, (ROOT / "notebooks/solutions").glob("*.ipynb"))]
    keys = "metadata.papermill cell.metadata.papermill metadata.language_info.version"
    result = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", "--extra-keys", keys, *files],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_notebook_reads_as_text():
    text = as_text(notebooks(ROOT)[0])
    assert text.startswith("# %% [markdown]\n# # 00 · Start here")
    assert "# %% tags=['parameters']\nPROFILE" in text


def test_nothing_of_the_machine_or_of_private_data_is_in_the_tree():
    """No absolute home or work paths in tracked text files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(rb"(?<![\w.])/(?:work|root|farm|home)/\w")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".png", ".parquet", ".gz") or not path.exists():
            continue
        assert not pattern.search(path.read_bytes()), name
