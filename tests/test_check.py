import json

import pytest

from reprolib.flat_yaml import read_value
from reprolib.notebook_style import problems, style
from reprolib.parameter_checks import check_together, checked_value
from reprolib.project import (
    PROFILES,
    ParameterError,
    declared,
    figures_folder,
    notebooks,
    parameters,
    read_yaml,
    root_folder,
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
        assert set(papermill.inspect_notebook(str(path))) == set(declared(path)), path.name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-5", 0.00001),
        ("-2", -2),
        ("true", True),
        ("null", None),
        ("[0, 1]", [0, 1]),
        ("[SASRec, pi-Net]", ["SASRec", "pi-Net"]),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("2014-07-01", "2014-07-01"),
        ("# hash", "# hash"),
        ("", ""),
        ('it\'s "q" \\ back', 'it\'s "q" \\ back'),
        ("food->kitchen", "food->kitchen"),
        ("openai:m@http://host:8000/v1", "openai:m@http://host:8000/v1"),
    ],
)
def test_a_typed_value_is_what_was_written(text, value):
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


@pytest.mark.parametrize("text", ["[1,2", "@home", "{a: 1}", "a: b", "[[1]]", "a: [1, null]"])
def test_a_typed_value_that_is_no_scalar_or_list_is_one_sentence(text):
    with pytest.raises(ParameterError, match=r"is not YAML|is nested") as caught:
        read_value(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "default", "sentence"),
    [
        ("SEEDS", 0, [0, 1], r"SEEDS is 0; a list is expected, e.g. \[0\]"),
        ("SEEDS", ["a"], [0], "SEEDS holds 'a'; a list of whole numbers is expected"),
        ("SEEDS", [], [0], "SEEDS is an empty list"),
        ("SEEDS", {"a": 1}, [0], "SEEDS is nested"),
        ("EPOCHS", "abc", 20, "EPOCHS is 'abc'; a whole number is expected, e.g. 20"),
        ("EPOCHS", 2.5, 20, "EPOCHS is 2.5; a whole number is expected"),
        ("EPOCHS", True, 20, "EPOCHS is true; a whole number"),
        ("EPOCHS", 0, 20, "EPOCHS is 0; at least 1 is expected"),
        ("PATIENCE", -1, 20, "PATIENCE is -1; at least 1"),
        ("DROPOUT", 1, 0.2, "DROPOUT is 1.0; a share from 0 to below 1"),
        ("TAU", 0, 0.1, "TAU is 0.0; a number above 0"),
        ("DATASET", None, "world-quick/food-kitchen", "DATASET is null; text is expected"),
        ("DATASET", "world-quik/food-kitchen", "x", "DATASET: .*world"),
        ("DATASET", "movielens-100", "x", "DATASET: .*movielens-100k"),
        ("SYSTEMS", ["SASrec"], ["SASRec"], "SYSTEMS: 'SASrec' is no system .did you mean SASRec"),
        ("DIRECTION", "food->", "x", "DIRECTION: 'food->' is no direction"),
        ("METRIC", "NGCD@10", "NDCG@10", "METRIC: 'NGCD@10' is not a metric"),
        ("WORLD", "big", "quick", "WORLD: there is no world 'big'"),
        ("LOSS", "sms", "ssm", "LOSS: 'sms' is no loss; use one of bce, bpr, ssm"),
        ("LLM", "gpt-4o", "embedded", "LLM: 'gpt-4o' names no language model"),
        ("DROPOUTS", ["much"], [0.5], "DROPOUTS holds 'much'; a list of numbers is expected"),
        ("NEGATIVES", [100, 0], [100], "NEGATIVES is 0; at least 1"),
        ("DATA_DIR", 3, None, "DATA_DIR is 3; text or null is expected"),
    ],
)
def test_a_value_that_cannot_be_right_is_one_sentence(name, value, default, sentence):
    with pytest.raises(ParameterError, match=sentence):
        checked_value(name, value, default)


@pytest.mark.parametrize(
    ("name", "value", "default", "checked"),
    [
        ("LEARNING_RATE", "1e-3", 5e-4, 0.001),
        ("TAU", 1, 0.1, 1.0),
        ("PRICE", [0, 0.6], [0.15, 0.6], [0.0, 0.6]),
        ("PAIRS", 0, 48, 0),
        ("DATA_DIR", "folder", None, "folder"),
        ("REFERENCE", ["amazon"], [], ["amazon"]),
        ("DATASETS", ["world-quick", "movielens-100k"], ["x"], ["world-quick", "movielens-100k"]),
        ("SOMETHING", "no", "text", "no"),
        ("LOSS", "", "ssm", ""),
        ("LLM", "openai:m@http://host:8000/v1", "embedded", "openai:m@http://host:8000/v1"),
    ],
)
def test_a_value_that_fits_gets_the_type_of_the_default(name, value, default, checked):
    assert checked_value(name, value, default) == checked
    assert type(checked_value(name, value, default)) is type(checked)


def test_values_in_files_are_checked_with_the_file_s_name(house):
    root, write = house
    with pytest.raises(ParameterError, match=r"20_toy.yaml: EPOCHS is 'abc'; a whole number"):
        parameters(root, "smoke", write(yaml="EPOCHS: abc"))
    with pytest.raises(ParameterError, match=r"20_toy.ipynb: EPOCHS is 0; at least 1"):
        parameters(root, "smoke", write(), {"EPOCHS": 0})
    with pytest.raises(ParameterError, match="EPOCHS stands twice"):
        parameters(root, "smoke", write(yaml="EPOCHS: 1\nEPOCHS: 2"))


def test_quick_is_what_a_notebook_does_by_hand(house):
    root, _ = house
    (root / "params/quick/common.yaml").write_text("EPOCHS: 4")
    (root / "params/quick/20_toy.yaml").write_text("EPOCHS: 3")
    assert any("the notebooks' own defaults" in problem for problem in problems(root))
    (root / "params/quick/20_toy.yaml").unlink()
    assert any("EPOCHS is 3 by hand but 4 in profile quick" in p for p in problems(root))
    (root / "params/quick/common.yaml").unlink()
    assert not any("quick" in problem for problem in problems(root))


def test_yaml_that_plain_papermill_reads_differently_is_named(house):
    root, write = house
    path = write(yaml="LR: 1e-3")
    path.write_text(path.read_text().replace("EPOCHS = 3", "LR = 0.1"))
    assert any("papermill -f reads other values" in problem for problem in problems(root))


@pytest.mark.parametrize(
    "source", ["EPOCHS = int(3)", "epochs = 3", "EPOCHS += 1", "EPOCHS = (", "A, B = 1, 2"]
)
def test_a_default_is_a_literal(house, source):
    _, write = house
    path = write()
    path.write_text(path.read_text().replace("EPOCHS = 3  # how long", source))
    assert "parameters cell" in style(path)[0]


def test_defaults_are_values_not_text():
    start = declared(ROOT / "notebooks" / "00_start_here.ipynb")
    assert start["SEEDS"] == [0]
    assert start["DATA_DIR"] is None


def test_a_path_is_the_file_that_it_names(house, tmp_path):
    root, write = house
    original = write()
    copy = tmp_path / "my book" / "20_toy.ipynb"
    copy.parent.mkdir()
    copy.write_text(original.read_text())
    assert notebooks(root, (str(copy),)) == [copy]
    assert notebooks(root, ("20", "20_toy", str(original))) == [original]
    with pytest.raises(ParameterError, match="there is no such file"):
        notebooks(root, (str(tmp_path / "elsewhere" / "20_toy.ipynb"),))
    with pytest.raises(ParameterError, match="is not a notebook"):
        notebooks(root, (str(root / "params/smoke/20_toy.yaml"),))


def test_figures_land_in_the_project_from_whatever_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert figures_folder("figures/quick") == ROOT / "figures" / "quick"
    assert figures_folder(tmp_path / "mine") == tmp_path / "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="cannot be made into a folder for figures"):
        figures_folder(tmp_path / "file" / "quick")


def test_a_figures_folder_that_may_not_be_written_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ParameterError, match="may not be written to"):
        figures_folder(tmp_path)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"DATASET": "world-quick/food-kitchen", "DIRECTION": "food->books"},
            "DIRECTION names 'books', but world-quick/food-kitchen has food and kitchen",
        ),
        (
            {"DATASET": "amazon2014-movie-book-c2dsr", "DIRECTIONS": ["movie->book", "x->book"]},
            "DIRECTIONS names 'x', but amazon2014-movie-book-c2dsr has movie and book",
        ),
        ({"DATASET": "movielens-100k", "DOMAIN": "books"}, "DOMAIN names 'books'"),
        (
            {"DATASETS": ["movielens-100k"], "DOMAINS": []},
            "DOMAINS has 0 values and DATASETS has 1",
        ),
        ({"DATASETS": ["movielens-100k"], "DOMAINS": ["books"]}, "DOMAINS names 'books'"),
    ],
)
def test_parameters_that_do_not_fit_each_other_are_one_sentence(values, sentence):
    with pytest.raises(ParameterError, match=sentence):
        check_together(values)


def test_parameters_that_fit_each_other_pass():
    check_together({"DATASET": "world-quick/goodreads | steam", "DIRECTION": "goodreads->games"})
    check_together({"DATASET": "world-smoke/food-kitchen", "DIRECTIONS": ["food->kitchen", "food"]})
    check_together({"DATASET": "world-smoke/a-b-c", "DIRECTION": "a+b->c"})
    check_together({"DATASETS": ["world-quick"], "DIRECTION": "all"})
