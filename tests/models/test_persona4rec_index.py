"""The persona index: vectors small enough to check by hand, three items, two users."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from reprolib.data.corpus import DataError
from reprolib.papers.persona4rec.index.index import PersonaIndex
from reprolib.papers.persona4rec.serving import index_costs as measure
from reprolib.papers.persona4rec.serving import rival_costs as online

DIRECTIONS = {
    "north": (1, 0, 0),
    "east": (0, 1, 0),
    "up": (0, 0, 1),
    "north-east": (3, 4, 0),
    "": (9, 9, 9),
}


def encode(texts):
    return np.array([DIRECTIONS[text] for text in texts], np.float32)


def offline():
    """Item 1 has two personas, item 2 none but a summary, item 3 neither, item 4 one; user 0 read three times."""
    personas = pd.DataFrame(
        [
            (4, 1, "Climber", "d4", "r4", "up"),
            (1, 2, "Easterner", "d2", "r2", "east"),
            (1, 1, "Northerner", "d1", "r1 <b>", "north"),
        ],
        columns=["item", "persona", "name", "description", "rationale", "text"],
    )
    summaries = pd.DataFrame(
        {
            "item": [1, 2, 3, 4],
            "title": ["One", "Two", "Three", "Four"],
            "summary": ["east", "north-east", "", "east"],
        }
    )
    interactions = pd.DataFrame(
        {"user": [0, 0, 0, 2], "item": [1, 2, 1, 4], "text": ["up", "north", "east", "up"]}
    )
    return SimpleNamespace(
        personas=personas, summaries=summaries, interactions=interactions, annotator="nobody"
    )


def built(**options):
    return PersonaIndex.build(offline(), encode, progress=False, **options)


NORTH, EAST, UP = np.eye(3, dtype=np.float32)


def test_an_item_scores_as_its_best_persona_and_tells_which_it_was():
    index = built()
    scores, best = index.score(np.float32([0.6, 0.8, 0]), [4, 1])
    np.testing.assert_allclose(scores, [0, 0.8], atol=1e-6)
    assert [index.explain(row)["name"] for row in best] == ["Climber", "Easterner"]
    assert index.explain(best[1]) == {
        "title": "One",
        "name": "Easterner",
        "description": "d2",
        "rationale": "r2",
    }


def test_an_item_without_personas_is_found_by_its_summary_and_says_so():
    index = built()
    scores, best = index.score(np.float32([0.6, 0.8, 0]), [2])
    assert scores[0] == pytest.approx(1)
    assert index.explain(best[0]) == {
        "title": "Two",
        "name": "",
        "description": "north-east",
        "rationale": "",
    }


def test_items_without_any_text_sink_to_the_bottom_and_keep_the_first_stage_order():
    answer = built().rerank(0, [3, 99, 4, 0, -1, 1])
    assert [a["item"] for a in answer] == [1, 4, 3, 99, 0, -1]
    assert [a["score"] is None for a in answer] == [False, False, True, True, True, True]


def test_equal_scores_keep_the_first_stage_order():
    index = built()
    index.add_item(
        3, [dict.fromkeys(("title", "name", "description", "rationale"), "x")], EAST[None]
    )
    assert [a["item"] for a in index.rerank(2, [3, 1])] == [3, 1]
    assert [a["item"] for a in index.rerank(2, [1, 3])] == [1, 3]


def test_the_user_vector_weighs_the_latest_interaction_most():
    """Latest first: east 1, north 1/2, up 1/4."""
    expected = np.array([0.5, 1, 0.25]) / np.sqrt(0.25 + 1 + 0.0625)
    np.testing.assert_allclose(built(gamma=0.5).user_vector(0), expected, atol=1e-6)
    np.testing.assert_allclose(
        built(gamma=0.5, history=2).user_vector(0), [0.4472136, 0.8944272, 0], atol=1e-6
    )


def test_a_user_without_interaction_is_an_error_in_words():
    for user in (1, 3, -1):
        with pytest.raises(DataError, match=f"user {user} has no interaction"):
            built().user_vector(user)


@pytest.mark.parametrize("half", [False, True])
def test_many_requests_at_once_give_the_same_as_one_by_one_and_as_numpy(half):
    index, vectors = random_index(half=half)
    random = np.random.default_rng(1)
    users = random.standard_normal((7, 16)).astype(np.float32)
    candidates = random.integers(0, 45, (7, 9))
    many = index.score_many(users, candidates)
    for u in range(7):
        one = index.score(users[u], candidates[u])
        np.testing.assert_array_equal(one[0], many[0][u])
        np.testing.assert_array_equal(one[1], many[1][u])
        for c, item in enumerate(candidates[u]):
            rows = np.flatnonzero(item == CODES)
            if len(rows):
                dots = vectors[rows].astype(np.float32) @ users[u]
                assert many[0][u, c] == pytest.approx(dots.max(), abs=1e-5)
                assert many[1][u, c] == rows[dots.argmax()]
            else:
                assert (many[0][u, c], many[1][u, c]) == (-np.inf, -1)


CODES = np.sort(np.random.default_rng(0).integers(1, 41, 120))


def random_index(half=False, **options):
    random = np.random.default_rng(0)
    vectors, history = (random.standard_normal((n, 16)).astype(np.float32) for n in (120, 30))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if half:
        vectors, history = vectors.astype(np.float16), history.astype(np.float16)
    texts = pd.DataFrame(
        {
            "title": [f"t{c}" for c in CODES],
            "name": [f"n{r}" for r in range(120)],
            "description": "é",
            "rationale": "x",
        }
    )
    return PersonaIndex(
        vectors, CODES, texts, history, np.repeat(np.arange(10), 3), **options
    ), vectors


def test_half_precision_halves_the_memory_and_keeps_scores_to_three_digits():
    full, half = random_index()[0], random_index(half=True)[0]
    assert half.sizes()["bytes"] * 2 == full.sizes()["bytes"]
    user = full.user_vector(0)
    np.testing.assert_allclose(
        half.score(user, range(1, 41))[0], full.score(user, range(1, 41))[0], atol=1e-3
    )
    assert not np.array_equal(half.score(user, range(1, 41))[0], full.score(user, range(1, 41))[0])


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("half", [False, True])
def test_a_saved_index_answers_as_before(tmp_path, half, mmap):
    index = random_index(
        half=half, items=[f"i{c}" for c in range(1, 46)], about={"dataset": "none"}
    )[0]
    index.save(tmp_path / "index")
    loaded = PersonaIndex.load(tmp_path / "index", mmap)
    assert loaded.rerank(3, range(1, 46)) == index.rerank(3, range(1, 46))
    assert loaded.about == {"dataset": "none"}
    assert loaded.ids()[0][44] == "i45"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index"]


def test_loading_maps_the_vectors_instead_of_reading_them(tmp_path):
    random_index()[0].save(tmp_path / "index")
    base = PersonaIndex.load(tmp_path / "index")._rows
    while getattr(base, "base", None) is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_the_vectors_are_a_file_that_safetensors_itself_reads(tmp_path):
    from safetensors.numpy import load_file

    index, vectors = random_index(half=True)
    index.save(tmp_path / "index")
    stored = load_file(tmp_path / "index/vectors.safetensors")
    np.testing.assert_array_equal(stored["vectors"], vectors)
    np.testing.assert_array_equal(stored["user"], np.repeat(np.arange(10), 3))


def test_updates_count_at_once_and_survive_saving(tmp_path):
    index = built()
    index.add_item(1, [persona("Flyer")], UP[None])
    index.add_item(5, [persona("A"), persona("B")], np.stack([NORTH, EAST]))
    index.add_review(1, EAST)
    index.add_review(0, UP * 7)
    before = {user: index.rerank(user, [1, 2, 3, 4, 5]) for user in (0, 1, 2)}
    assert [a["name"] for a in before[1]][:2] == ["B", ""]
    assert next(a for a in before[2] if a["item"] == 1)["name"] == "Flyer"
    assert before[2][0]["score"] == pytest.approx(1)
    loaded = PersonaIndex.load(index.save(tmp_path / "index"))
    assert {user: loaded.rerank(user, [1, 2, 3, 4, 5]) for user in (0, 1, 2)} == before
    assert loaded.sizes() == {"items": 4, "rows": 5, "users": 3, "bytes": 4 * 3 * (5 + 6)}


def test_many_updates_do_not_disturb_each_other():
    index = random_index()[0]
    eye = np.eye(16, dtype=np.float32)
    for item in range(1, 200):
        index.add_item(item, [persona(f"p{item}")], eye[[item % 16]])
    for item in (1, 40, 41, 199):
        scores, best = index.score(eye[item % 16], [item])
        assert scores[0] == pytest.approx(1)
        assert index.explain(best[0])["name"] == f"p{item}"


def persona(name):
    return {"title": "T", "name": name, "description": "d", "rationale": "r"}


def test_a_new_review_pushes_the_oldest_out_and_agrees_with_a_rebuilt_index():
    index = built(gamma=0.5, history=3)
    index.add_review(0, UP)
    more = offline()
    more.interactions = pd.concat(
        [more.interactions.iloc[:3], pd.DataFrame({"user": [0], "item": [4], "text": ["up"]})]
    )
    fresh = PersonaIndex.build(more, encode, gamma=0.5, history=3, progress=False)
    np.testing.assert_allclose(index.user_vector(0), fresh.user_vector(0), atol=1e-6)


def test_exact_retrieval_finds_the_best_of_the_catalogue_without_what_is_left_out():
    index = random_index()[0]
    user = index.user_vector(4)
    every = index.score(user, index.catalogue)[0]
    order = index.catalogue[np.argsort(-every, kind="stable")]
    items, scores, rows = index.recommend(user, 5)
    assert items.tolist() == order[:5].tolist()
    assert (scores == np.sort(every)[::-1][:5]).all()
    assert (CODES[rows] == items).all()
    assert index.recommend(user, 3, without=order[:2])[0].tolist() == order[2:5].tolist()


def test_the_graph_finds_what_exact_search_finds_also_after_loading_and_changes(tmp_path):
    pytest.importorskip("usearch")
    index = random_index()[0]
    index.build_graph(threads=1, progress=False)
    index = PersonaIndex.load(index.save(tmp_path / "index"))
    user = index.user_vector(4)
    first = index.recommend(user, 5)[0]
    assert index.recommend(user, 5, exact=False)[0].tolist() == first.tolist()
    index.add_item(int(first[0]), [persona("away")], -user[None])
    index.add_item(41, [persona("near")], user[None])
    assert index.recommend(user, 5, exact=False)[0].tolist() == [41, *first[1:].tolist()]
    again = PersonaIndex.load(index.save(tmp_path / "index"))
    assert again.recommend(user, 5, exact=False)[0].tolist() == [41, *first[1:].tolist()]


def test_without_a_graph_the_approximate_mode_says_what_is_missing():
    with pytest.raises(DataError, match="build_graph"):
        built().recommend(NORTH, 1, exact=False)


def test_the_ids_of_the_data_stand_in_the_answers():
    split = SimpleNamespace(
        items=np.array(["b1", "b2", "b3", "b4"], object), users=np.array(["u", "v", "w"], object)
    )
    index = built(split=split)
    assert [a["item"] for a in index.rerank(2, [1, 4])] == ["b4", "b1"]
    with pytest.raises(DataError, match="give its name"):
        index.add_item(5, [persona("x")], UP[None])
    index.add_item(5, [persona("x")], UP[None], name="b5")
    assert index.rerank(2, [1, 5])[0]["item"] == "b5"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda i: i.add_item(9, [persona("x")], UP[None]), "the next, 5"),
        (lambda i: i.add_item(1, [persona("x")], np.ones((1, 4))), r"\(1, 3\)"),
        (lambda i: i.add_item(1, [persona("x")], np.full((1, 3), np.nan)), "not finite"),
        (lambda i: i.add_item(1, [{"name": "x"}], UP[None]), "lack title, description, rationale"),
        (lambda i: i.add_review(0, np.zeros(3)), "zero"),
        (lambda i: i.score(np.ones(5), [1]), r"\(3,\)"),
        (lambda i: i.score_many(np.ones((2, 3)), [[1]]), r"\(n, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_and_changes_nothing(change, words):
    index = built()
    before = index.rerank(0, [1, 2, 4])
    with pytest.raises(ValueError, match=words):
        change(index)
    assert index.rerank(0, [1, 2, 4]) == before


def test_rows_that_are_not_sorted_by_item_are_refused():
    texts = pd.DataFrame([persona("x")] * 2)
    with pytest.raises(DataError, match="ascending"):
        PersonaIndex(
            np.eye(2, dtype=np.float32),
            np.array([2, 1]),
            texts,
            np.zeros((0, 2), np.float32),
            np.zeros(0),
        )
    with pytest.raises(DataError, match="from 1 on"):
        PersonaIndex(
            np.eye(2, dtype=np.float32),
            np.array([0, 1]),
            texts,
            np.zeros((0, 2), np.float32),
            np.zeros(0),
        )


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("index.json", lambda b: b'{"format": 7}', "reads format 1"),
        ("index.json", lambda b: b"no", "not the description"),
        ("vectors.safetensors", lambda b: b[:200], "no sound safetensors"),
        ("vectors.safetensors", lambda b: b[:-1], "no sound safetensors"),
        ("vectors.safetensors", lambda b: b"\xff" * 16, "no sound safetensors"),
        ("vectors.safetensors", lambda b: b.replace(b'"F32"', b'"F99"'), "no sound safetensors"),
        ("personas.parquet", lambda b: b[:50], "cannot be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, file, damage, words):
    built().save(tmp_path / "index")
    path = tmp_path / "index" / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=words) as error:
        PersonaIndex.load(tmp_path / "index")
    assert file in str(error.value)


def test_a_folder_with_other_things_is_not_overwritten_and_an_index_is(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(DataError, match="something other"):
        built().save(tmp_path)
    index = built()
    index.save(tmp_path / "index")
    index.add_review(1, UP)
    index.save(tmp_path / "index")
    assert PersonaIndex.load(tmp_path / "index").sizes()["users"] == 3
    assert json.loads((tmp_path / "index/index.json").read_text())["length"] == 10
    with pytest.raises(DataError, match="expected a folder written by"):
        PersonaIndex.load(tmp_path / "nowhere")


@pytest.mark.parametrize("half", [False, True])
def test_the_torch_path_gives_the_answer_of_the_index(half):
    index = random_index(half=half)[0]
    on_cpu = measure.on_device(index, "cpu")
    for user, candidates in zip(*measure.requests(index, 5, 12, seed=1), strict=True):
        ours, theirs = index.rerank(int(user), candidates), on_cpu(int(user), candidates)
        np.testing.assert_allclose(
            [a["score"] for a in theirs], [a["score"] for a in ours], atol=5e-3
        )
        if not half:
            assert [a["name"] for a in theirs] == [a["name"] for a in ours]


def test_a_synthetic_catalogue_has_items_whose_personas_are_alike_and_users_with_a_taste():
    index = measure.synthetic(600, 64, personas=3, users=20, seed=1)
    rows = index.compact()["vectors"].reshape(600, 3, 64)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=2), 1, atol=1e-5)
    same = (rows[:, 0] * rows[:, 1]).sum(1).mean()
    other = (rows[:-1, 0] * rows[1:, 1]).sum(1).mean()
    assert same == pytest.approx(0.5, abs=0.03)
    assert other < 0.2
    assert index.sizes()["users"] == 20
    again = measure.synthetic(600, 64, personas=3, users=20, seed=1)
    assert again.rerank(3, [5, 6, 7]) == index.rerank(3, [5, 6, 7])


def test_recall_is_measured_against_exact_search():
    """A graph that holds no row of the best item cannot find it."""
    pytest.importorskip("usearch")
    index = measure.synthetic(40, 16, personas=2, users=1)
    index.build_graph(threads=1)
    found = measure.recall_and_speed(index, [200], k=5, queries=3)
    assert found["recall@5"].tolist() == [1.0, 1.0]
    index.graph.remove(int(index.recommend(index.user_vector(0), 1)[0][0]))
    assert measure.recall_and_speed(index, [200], k=5, queries=3)[
        "recall@5"
    ].tolist() == pytest.approx([1.0, 0.8])


def test_latency_counts_every_request_but_those_that_warm_up():
    asked = []
    times = measure.latency(
        lambda user, wanted: asked.append((user, len(wanted))),
        np.array([3, 4, 5]),
        np.zeros((3, 7), int),
        warm=2,
    )
    assert asked == [(3, 7), (4, 7), (3, 7), (4, 7), (5, 7)]
    assert len(times) == 3
    assert (times >= 0).all()


def test_table_7_takes_the_papers_number_of_the_same_system_and_device():
    theirs = pd.DataFrame(
        [
            ("Table 7", "PERSONA4REC", "latency ms", 0.52, "CPU"),
            ("Table 7", "PERSONA4REC", "latency ms", 0.75, "GPU"),
            ("Table 7", "PERSONA4REC", "memory GB", 0.1, "GPU"),
            ("Table 7", "TALLRec", "latency ms", 979.0, "single A6000 GPU"),
            ("Table 4", "TALLRec", "latency ms", 1.0, ""),
        ],
        columns=["table", "system", "metric", "value", "note"],
    )
    rows = [
        online.latency_row(system, runs, where, np.array([1.0, 2.0, 9.0]), 0.5)
        for system, runs, where in [
            ("ZS-LLM", f"embedded, {online.NO_LM}", "CPU"),
            ("TALLRec", "x", "CPU, 2 threads"),
            ("PERSONA4REC", "x", "CPU, one core"),
            ("PERSONA4REC", "x", "GPU, any"),
        ]
    ]
    table = online.beside_published(rows, theirs)
    np.testing.assert_array_equal(table["paper ms"], [np.nan, 979.0, 0.52, 0.75])
    np.testing.assert_array_equal(table["paper GB"], [np.nan, np.nan, 0.1, 0.1])
    assert table["ms"].tolist() == [4.0] * 4
    one = online.comparison(table).set_index("system")
    assert one.loc["TALLRec", "ms here"] == 2
    assert np.isnan(one.loc["ZS-LLM", "ms here"])
    assert np.isnan(one.loc["RankVicuna", "paper ms"])
    assert one.loc["PERSONA4REC", "paper ms"] == 0.52
