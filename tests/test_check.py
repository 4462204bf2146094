import json

import pytest

from reprolib import project as check
from reprolib.project import (
    PROFILES,
    ParameterError,
    notebooks,
    parameters,
    problems,
    read_yaml,
    root_folder,
    style,
)

ROOT = root_folder()


def cell(source, kind="code", **more):
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": {}} | extra | more


@pytest.fixture
def house(tmp_path):
    """A project with one notebook of one parameter; returns (root, write) to replace its cells or its YAML."""
    (tmp_path / "notebooks").mkdir()
    for profile in PROFILES:
        (tmp_path / "params" / profile).mkdir(parents=True)

    def write(*cells, yaml=""):
        start = [
            cell("# Title", "markdown"),
            cell("EPOCHS = 3  # how long", metadata={"tags": ["parameters"]}),
        ]
        content = {
            "cells": [*start, *[cell("prose", "markdown")] * 3, *cells],
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = tmp_path / "notebooks" / "20_toy.ipynb"
        path.write_text(json.dumps(content))
        (tmp_path / "params" / "smoke" / "20_toy.yaml").write_text(yaml)
        return path

    write()
    return tmp_path, write


def test_this_house_is_in_order():
    assert problems(ROOT) == []


def test_a_misspelt_key_gets_a_suggestion(house):
    root, write = house
    path = write(yaml="EPOCS: 3")
    with pytest.raises(
        ParameterError, match=r"EPOCS is not a parameter of 20_toy.ipynb \(did you mean EPOCHS"
    ):
        parameters(root, "smoke", path)


@pytest.mark.parametrize(
    ("yaml", "fault"),
    [
        ("EPOCHS: {a: 1}", "EPOCHS is nested"),
        ("EPOCHS: [[1]]", "EPOCHS is nested"),
        ("- 1", "must be lines of KEY"),
        ("EPOCHS: [1", "line 1 is not YAML"),
        ("EPOCHS: !!python/object:os.system x", "is not YAML"),
    ],
)
def test_yaml_that_is_not_flat_is_refused(house, yaml, fault):
    root, write = house
    with pytest.raises(ParameterError, match=fault):
        parameters(root, "smoke", write(yaml=yaml))


def test_common_then_notebook_then_overrides(house):
    root, write = house
    path = write(yaml="EPOCHS: 5")
    (root / "params/smoke/common.yaml").write_text("EPOCHS: 4")
    assert parameters(root, "smoke", path) == {"EPOCHS": 5}
    assert parameters(root, "smoke", path, {"EPOCHS": 6, "OTHER": 1}) == {"EPOCHS": 6}
    assert parameters(root, "quick", path) == {}


def test_unknown_profiles_and_notebooks_name_the_nearest(house):
    root, write = house
    with pytest.raises(ParameterError, match="did you mean smoke"):
        parameters(root, "smok", write())
    with pytest.raises(ParameterError, match="did you mean 20_toy"):
        notebooks(root, ("20_toi",))
    assert notebooks(root, ("20",)) == notebooks(root, ("20_toy",)) == notebooks(root)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("\n".join(["x = 1"] * 21), "21 lines"),
        ("def f():\n    pass", "defines a function"),
        ("!pip install x", "magic"),
        ("import requests", "imports requests"),
        ("import sys\nsys.path.append('.')", "sys.path"),
    ],
)
def test_code_that_belongs_elsewhere_is_named(house, source, fault):
    _, write = house
    assert [p for p in style(write(cell(source))) if fault in p]


def test_outputs_and_missing_prose_are_named(house):
    _, write = house
    assert "has outputs" in style(write(cell("1", execution_count=1)))[0]
    assert "are prose" in style(write(*[cell("1")] * 9))[0]


def test_a_parameters_cell_holds_assignments_only(house):
    _, write = house
    path = write()
    path.write_text(path.read_text().replace("EPOCHS = 3", "print(3)"))
    assert "only lines NAME = value" in style(path)[0]


def test_a_broken_notebook_is_one_sentence(house):
    root, write = house
    write().write_text("{")
    assert len([p for p in problems(root) if "not a notebook" in p]) == 1


def test_yaml_without_a_notebook_is_named(house):
    root, _ = house
    (root / "params/quick/21_gone.yaml").write_text("A: 1")
    assert any("there is no notebook of that name" in p for p in problems(root))


def test_an_absent_yaml_is_empty(tmp_path):
    assert read_yaml(tmp_path / "none.yaml") == {}


def test_papermill_agrees_about_the_parameters():
    import papermill

    for path in notebooks(ROOT):
        assert set(papermill.inspect_notebook(str(path))) == set(check.declared(path)), path.name
