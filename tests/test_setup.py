"""The ways to install the project say the same thing."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from reprolib.catalogue import PAPERS
from reprolib.notebook_style import as_text
from reprolib.project import notebooks, root_folder

ROOT = root_folder()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal_name(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def lock():
    lines = (ROOT / "requirements.lock").read_text().split()
    pairs = [line.split("==") for line in lines]
    return {normal_name(name): Version(version) for name, version in pairs}


def test_every_dependency_is_pinned():
    pins = lock()
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + [
        r for name in ("llm", "serve", "cluster", "dev") for r in extras[name]
    ]
    for requirement in map(Requirement, wanted):
        name = normal_name(requirement.name)
        assert name in pins, f"{requirement} is not in requirements.lock; run make lock"
        assert pins[name] in requirement.specifier, requirement


def test_conda_users_get_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["--constraint requirements.lock", "-e .[llm,serve,cluster,dev]"]
    assert "-e '.[llm,serve,cluster,dev]'" in (ROOT / "Makefile").read_text()
    assert "--constraint requirements.lock" in (ROOT / "Makefile").read_text()


def workflow():
    return yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def test_ci_runs_the_readme_command():
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"
    assert "make test" in (ROOT / "README.md").read_text()
    assert workflow()["jobs"]["test"]["steps"][-1]["run"] == "make test"


def test_ci_runs_each_notebook_once():
    """Of the jobs that run on every push, one runs make test, and no other executes a notebook."""
    commands = [
        step["run"]
        for job in workflow()["jobs"].values()
        if "if" not in job
        for step in job["steps"] * max(1, len(job.get("strategy", {}).get("matrix", {})))
        if "run" in step
    ]
    executing = [
        command
        for command in commands
        if command == "make test"
        or "reprolib run" in command
        or ("pytest" in command and '-m "not notebook"' not in command)
    ]
    assert executing == ["make test"]


def test_actions_are_pinned_by_a_full_version():
    for job in workflow()["jobs"].values():
        for step in job["steps"]:
            if "uses" in step:
                assert re.search(r"@v\d+\.\d+\.\d+$", step["uses"]), step["uses"]


def makefile_target(name):
    """The commands of one target of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    return re.search(rf"^{re.escape(name)}:.*\n((?:\t.*\n|  .*\n)*)", text, re.M)[1]


def test_only_the_lab_changes_the_configuration_of_git():
    text = (ROOT / "Makefile").read_text()
    assert text.count("git config") == makefile_target("$(VENV)/ready-lab").count("git config") == 2
    assert "ready-lab" in re.search(r"^lab:.*", text, re.M)[0]
    assert "ready-lab" not in re.search(r"^(test|figures|lint):.*", text, re.M)[0]
    assert "make lab" in (ROOT / "CONTRIBUTING.md").read_text()


def test_make_lock_can_raise_a_pin():
    """The pins come from a fresh environment that the present pins do not constrain, after its tests passed."""
    commands = makefile_target("lock")
    assert "$(PYTHON) -m venv $(LOCK)" in commands
    assert "$(PIP)" not in commands
    assert "constraint" not in commands
    assert commands.index("pip list --format freeze") < commands.index("pytest")


def imported_packages(path):
    """The first parts of the names that a file imports, without the standard library and reprolib."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"reprolib"}


def test_every_package_that_is_imported_is_declared():
    requirements = list(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        requirements += extra
    declared = {normal_name(Requirement(requirement).name) for requirement in requirements}
    distributions = packages_distributions()
    undeclared = set()
    for path in (ROOT / "reprolib").rglob("*.py"):
        for package in imported_packages(path):
            owners = {normal_name(owner) for owner in distributions.get(package, [package])}
            if not owners & declared:
                undeclared.add(f"{path.name} imports {package}")
    assert undeclared == set()


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


def test_the_readme_names_the_papers_as_the_catalogue_does():
    readme = (ROOT / "README.md").read_text()
    stems = [path.stem for path in notebooks(ROOT)]
    for paper in PAPERS:
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| {paper.name} |")]
        assert f"[{paper.title}]({paper.link})" in row
        assert paper.authors in row
        for stem in stems:
            if stem.startswith(paper.notebooks):
                assert f"[{stem[:2]}](notebooks/{stem}.ipynb)" in row


def test_the_commands_of_the_readme_can_be_pasted():
    """No command is a list of alternatives, and brackets stand in quotes."""
    readme = (ROOT / "README.md").read_text()
    commands = [line.strip() for line in readme.splitlines() if line.startswith("    ")]
    assert commands
    for command in commands:
        assert command.split()[0] in ("make", ".venv/bin/reprolib", ".venv/bin/papermill")
        assert "|" not in command
        assert not re.search(r"(?<![\"'\w])[A-Z_]+=\[", command)
