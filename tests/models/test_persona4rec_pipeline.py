import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from reprolib.data.corpus import INTERACTIONS, ITEMS, Corpus, DataError, conform
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.llm.embedded import Annotator
from reprolib.llm.task import Unusable
from reprolib.papers.persona4rec import align as aligning
from reprolib.papers.persona4rec import judge
from reprolib.papers.persona4rec.align import align, argued_id, is_consistent
from reprolib.papers.persona4rec.encoder import fit_encoder, training_texts, user_vectors, vanilla
from reprolib.papers.persona4rec.judging_tasks import Verdict
from reprolib.papers.persona4rec.offline import (
    Offline,
    annotate,
    items_with_personas,
    single_personas,
)
from reprolib.papers.persona4rec.published_sample import read_lines, read_sample, rebuild
from reprolib.papers.persona4rec.retrieval import (
    item_ranks,
    only_items_of,
    own_persona,
    persona_ranks,
    persona_scores,
    popularity_scores,
    retrieval_table,
)
from reprolib.papers.persona4rec.tables import distinctness, label_statistics, worked_example
from reprolib.papers.persona4rec.task_types import ItemPersona, Selection
from reprolib.papers.persona4rec.texts import interaction_text, persona_text

WANTS = (
    "I look for something gentle to calm down before sleep.",
    "I want action and suspense on every page.",
    "I always look for the cheapest copy.",
    "I read with my whole book club.",
)
JUDGEMENTS = (
    "The plot is slow and the writing style is beautiful.",
    "The characters are flat and boring.",
    "The illustrations are wonderful and clear.",
)


def review(user, item):
    return f"{WANTS[(user + item) % 4]} {JUDGEMENTS[(user * item) % 3]} I read it on the train."


def library(changed=None, users=9, items=8, length=6):
    """Each user reviews `length` of the items, one by one; item "unread" has no event. `changed` alters reviews."""
    rows = [
        (
            f"u{u}",
            f"i{(3 * u + k) % items}",
            "books",
            100 * k + u,
            float(1 + (u + k) % 5),
            review(u, (3 * u + k) % items),
        )
        for u in range(users)
        for k in range(length)
    ]
    rows = changed(rows) if changed else rows
    about = [
        {
            "item": f"i{i}",
            "domain": "books",
            "title": f"Book {i}",
            "categories": ["Books"],
            "description": f"A story about {subject}. It is told by an old sailor. The end surprises everybody.",
        }
        for i, subject in enumerate(
            ["love", "war", "dragons", "money", "crime", "food", "space", "school"]
        )
    ]
    about.append(
        {
            "item": "unread",
            "domain": "books",
            "title": "Unread",
            "categories": ["Books"],
            "description": "A book that nobody opened yet.",
        }
    )
    frame = pl.DataFrame(rows, schema=list(INTERACTIONS), orient="row")
    return Corpus(conform(frame, INTERACTIONS), conform(pl.DataFrame(about), ITEMS), name="library")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(cache):
    """(split, offline, pairs) of the library."""
    split = leave_one_out(library(), "books")
    told = annotate(Dataset(split, library()), Annotator(cache=cache), cache, progress=False)
    return split, told, align(told, per_user=3, cache=cache, progress=False)


def by_hand(texts, personas, users=None):
    """An Offline of one interaction per text and [(item, persona number, text)]; item n is the n-th text's."""
    users = users or [0] * len(texts)
    events = pd.DataFrame(
        {
            "user": users,
            "item": range(1, len(texts) + 1),
            "time": range(len(texts)),
            "rating": 5.0,
            "aspects": [{"purchase_purpose": t} for t in texts],
            "text": texts,
        }
    )
    rows = [(item, n, f"name {text}", "", "", (0,), text) for item, n, text in personas]
    frame = pd.DataFrame(
        rows, columns=["item", "persona", "name", "description", "rationale", "evidence", "text"]
    )
    items = sorted(set(events["item"]) | set(frame["item"]))
    about = pd.DataFrame(
        {"item": items, "title": [f"item {i}" for i in items], "summary": "A summary."}
    )
    return Offline(about, events, frame, "by hand", 0)


class Scripted(Annotator):
    """The embedded annotator but for the tasks that `script` answers; it keeps what it was asked."""

    def __init__(self, script, name, cache):
        super().__init__(cache=cache)
        self.name = self.label = name
        self.script, self.asked = script, []

    def answer(self, task, given):
        self.asked.append(given)
        return (
            self.script[task.name](given)
            if task.name in self.script
            else super().answer(task, given)
        )


def refuse(given):
    raise Unusable("no answer")


# texts


def test_the_encoder_reads_the_summary_and_then_what_this_review_says():
    aspects = {
        "category_preference": "romance",
        "purchase_purpose": "To relax!",
        "usage_context": " ",
    }
    assert interaction_text("A  love story", aspects) == "A love story. romance. To relax!"
    assert interaction_text("A love story.", {}) == "A love story."
    assert interaction_text("", aspects) == "romance. To relax!"


def test_a_persona_reads_alike_for_the_judge_and_the_encoder():
    persona = ItemPersona(
        id="P1",
        name="Calm Reader",
        description="Likes it slow.",
        preference_rationale="Review 3 says so.",
        evidence=[3],
    )
    assert persona_text("Calm Reader", "Likes it slow.", "Review 3 says so.") == persona.text()


# offline


def test_no_review_of_a_held_out_event_changes_any_persona_profile_or_pair(made, cache):
    split, told, pairs = made

    def held_out(rows):  # the last two events of each user: validation and test
        return [
            (*row[:4], 1.0, "I hate this cheap rubbish and its smell.") if row[3] >= 400 else row
            for row in rows
        ]

    def training(rows):
        return [
            (*row[:5], "I hate this cheap rubbish and its smell.") if row[3] == 300 else row
            for row in rows
        ]

    for change, same in ((held_out, True), (training, False)):
        corpus = library(change)
        other = annotate(
            Dataset(leave_one_out(corpus, "books"), corpus),
            Annotator(cache=cache),
            cache,
            progress=False,
        )
        aligned = align(other, per_user=3, cache=cache, progress=False)
        assert other.summaries.equals(told.summaries)
        assert other.personas.equals(told.personas) == same
        assert other.interactions.equals(told.interactions) == same
        assert aligned.equals(pairs) == same
    held = align(told, split, stage="valid", cache=cache, progress=False)
    assert (held["earlier"] == 4).all()
    assert held["item"].tolist() == split.item[split.valid].tolist()


def test_interactions_are_the_training_events_by_user_and_time(made):
    split, told, _ = made
    users, items = split.train_pairs()
    assert told.interactions["user"].tolist() == users.tolist()
    assert told.interactions["item"].tolist() == items.tolist()
    assert told.interactions.groupby("user")["time"].is_monotonic_increasing.all()
    assert np.diff(told.user_ptr(split.n_users)).tolist() == [4] * split.n_users


def test_the_evidence_of_a_persona_are_training_events_of_its_item(made):
    _, told, _ = made
    assert len(told.personas) > 8
    for persona in told.personas.itertuples():
        assert len(persona.evidence) > 0
        assert set(told.interactions.loc[list(persona.evidence), "item"]) == {persona.item}


def test_an_item_without_reviews_has_a_summary_and_no_persona(cache):
    corpus = library(lambda rows: [*rows, ("new", "unread", "books", 1, None, None)])
    split = leave_one_out(corpus, "books")
    told = annotate(Dataset(split, corpus), Annotator(cache=cache), cache, progress=False)
    code = split.items.tolist().index("unread") + 1
    assert told.summaries.set_index("item")["summary"][code] == "A book that nobody opened yet."
    assert code not in set(told.personas["item"])
    row = told.interactions[told.interactions["item"] == code].iloc[0]
    assert (row["aspects"], row["text"]) == ({}, "A book that nobody opened yet.")


def test_inputs_without_an_answer_are_counted_and_never_made_up(cache):
    llm = Scripted(
        {"persona4rec/summary": refuse, "persona4rec/personas": refuse}, "refusing", cache
    )
    corpus = library()
    told = annotate(Dataset(leave_one_out(corpus, "books"), corpus), llm, cache, progress=False)
    assert told.failed == {"persona4rec/summary": 8, "persona4rec/personas": 8}
    assert len(told.personas) == 0
    assert told.summaries["summary"].str.startswith("Book").all()  # the metadata, as they are


def test_a_restaurant_is_read_with_the_restaurant_schema(cache):
    corpus = library()
    frame = corpus.interactions.with_columns(domain=pl.lit("restaurants").cast(pl.Categorical))
    items = corpus.items.with_columns(domain=pl.lit("restaurants").cast(pl.Categorical))
    other = Corpus(frame, items, name="places")
    told = annotate(
        Dataset(leave_one_out(other, "restaurants"), other),
        Annotator(cache=cache),
        cache,
        progress=False,
    )
    slots = {slot for aspects in told.interactions["aspects"] for slot in aspects}
    assert slots <= {
        "cuisine_category",
        "specific_dishes_or_attributes",
        "visit_purpose",
        "quality_criteria",
        "visit_context",
    }
    assert told.summaries["summary"].str.contains("is a place").all()


def test_the_single_persona_speaks_for_all_reviews_of_its_item(made, cache):
    _, told, _ = made
    items = items_with_personas(told, least=2)[:3]
    one = single_personas(told, items, cache=cache, progress=False)
    assert one["item"].tolist() == items
    counts = (
        told.interactions[[bool(a) for a in told.interactions["aspects"]]].groupby("item").size()
    )
    assert one["evidence"].map(len).tolist() == counts[items].tolist()
    case = judge.persona_cases(told, one).iloc[0]
    assert all(
        text in case["a"] for text in told.personas[told.personas["item"] == items[0]]["text"]
    )
    assert case["b"] == one["text"][0]


# alignment


def test_a_pair_has_an_earlier_event_and_each_user_at_most_the_cap(made, cache):
    _, told, pairs = made
    assert len(pairs) == 27  # nine users, events 2 to 4 of their four training events
    assert pairs.groupby("user")["earlier"].apply(list).tolist() == [[1, 2, 3]] * 9
    counts = told.personas.groupby("item").size()
    assert (pairs["persona"] <= pairs["item"].map(counts)).all()
    assert len(align(told, per_user=1, cache=cache, progress=False)) == 9
    assert align(told, per_user=1, users=[3, 5], cache=cache, progress=False)["user"].tolist() == [
        3,
        5,
    ]


def test_the_judge_reads_earlier_events_only(made, cache, monkeypatch):
    _, told, _ = made
    llm = Scripted({}, "embedded-minilm", cache / "fresh")
    monkeypatch.setattr(aligning, "open_llm", lambda *args, **kwargs: llm)
    pairs = align(told, per_user=9, cache=cache / "fresh", progress=False)
    titles = told.titles()
    for given, pair in zip(llm.asked, pairs.itertuples(), strict=True):
        before = told.interactions[told.interactions["user"] == pair.user].iloc[: pair.earlier]
        assert [event.title for event in given.history] == [titles[i] for i in before["item"]]
        assert given.target == titles[pair.item]


@pytest.mark.parametrize("reasoning", ["Clearly {}.", "The first. Selection: 2. item_P2"])
def test_a_label_that_contradicts_its_reasoning_is_left_out_and_replaced_by_nothing(
    made, cache, monkeypatch, reasoning
):
    _, told, _ = made
    said = Scripted(
        {
            "persona4rec/selection": lambda g: Selection(
                reasoning=reasoning.format(g.personas[-1].name), persona_id="P1"
            )
        },
        f"contradicting {reasoning}",
        cache,
    )
    monkeypatch.setattr(aligning, "open_llm", lambda *args, **kwargs: said)
    pairs = align(told, cache=cache, progress=False)
    assert len(pairs) == 0
    assert pairs.attrs["lost"] == pairs.attrs["asked"] == 27


def test_the_stage_must_be_one_that_exists(made):
    with pytest.raises(ValueError, match='"valid" with a split'):
        align(made[1], stage="valid")


@pytest.mark.parametrize(
    ("reasoning", "argued"),
    [
        ("** She likes it.  **Selection:** 2. B08QZRNL5Q_P2", "P2"),
        ("Selection: 3. GWv1-6HFvZf4cOy1J6_CKQ_P3", "P3"),
        ("P1 is far, so\nSelection: P4", "P4"),
        ("Calm Reader fits best.", None),
    ],
)
def test_the_choice_is_read_from_what_the_reasoning_ends_on(reasoning, argued):
    assert argued_id(reasoning) == argued


def test_consistent_means_that_the_reasoning_argues_for_the_stored_persona():
    names = {"P1": "Calm Reader", "P2": "Bold Critic"}
    assert is_consistent("A calm reader.", "P1", names)
    assert is_consistent("Fits best.", "P1", names)
    assert not is_consistent("A bold critic.", "P1", names)
    assert not is_consistent("A calm reader. Selection: X_P2", "P1", names)


# encoder


def test_a_user_is_the_decayed_mean_of_the_latest_interactions():
    vectors = np.eye(4, dtype=np.float32)
    found = user_vectors(vectors, np.array([0, 3, 3, 4]), gamma=0.5, history=2)
    np.testing.assert_allclose(
        found[0], np.array([0, 0.5, 1, 0]) / np.sqrt(1.25), rtol=1e-6
    )  # the oldest is not read
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_allclose(found[2], [0, 0, 0, 1])


def test_training_reads_the_texts_before_the_pair_the_latest_first():
    told = by_hand(["one", "two", "three", "four"], [(3, 1, "p"), (4, 1, "q"), (4, 2, "r")])
    pairs = pd.DataFrame({"user": [0, 0], "item": [3, 4], "persona": [1, 2], "earlier": [2, 3]})
    queries, positives, groups = training_texts(told, pairs, history=2)
    assert queries == [["two", "one"], ["three", "two"]]
    assert positives == ["p", "r"]
    assert groups == [("user 0", "item 3"), ("user 0", "item 4")]


def test_the_rank_counts_rivals_of_items_not_met_before_and_half_of_the_ties():
    told = by_hand(
        ["one", "two", "three"], [(1, 1, "met"), (3, 1, "chosen"), (3, 2, "rival"), (7, 1, "other")]
    )
    pairs = pd.DataFrame({"user": [0], "item": [3], "persona": [1], "earlier": [2]})
    ranked = persona_ranks(told, pairs, np.array([[9.0, 0.5, 0.5, 0.7]]))
    assert ranked[["rank", "among"]].to_numpy().tolist() == [[2.5, 3]]


def test_an_item_ranks_by_its_best_persona():
    told = by_hand(
        ["one", "two", "three"], [(3, 1, "p"), (3, 2, "q"), (7, 1, "r"), (8, 1, "s"), (8, 2, "t")]
    )
    pairs = pd.DataFrame({"user": [0], "item": [3], "persona": [1], "earlier": [2]})
    scores = np.array([[0.1, 0.8, 0.7, 0.9, 0.2]])  # best: 0.8 of item 3, 0.7 of 7, 0.9 of 8
    assert item_ranks(told, pairs, scores)[["rank", "among"]].to_numpy().tolist() == [[2, 3]]
    assert own_persona(told, pairs, scores).tolist() == [0]
    assert own_persona(told, pairs, np.zeros((1, 5))).tolist() == [0.5]
    row = retrieval_table(
        told, pd.concat([pairs, pairs.assign(item=8)]), {"x": np.tile(scores, (2, 1))}
    ).iloc[0]
    assert row["item MRR"] == pytest.approx((1 / 2 + 1) / 2)
    assert row["own persona"] == 0.5


def test_scores_that_tie_are_worth_the_mean_over_all_orders():
    told = by_hand(["one", "two", "three"], [(item, 1, f"p{item}") for item in range(3, 23)])
    pairs = pd.DataFrame({"user": [0, 0], "item": [3, 9], "persona": [1, 1], "earlier": [2, 2]})
    chance, ahead = np.zeros((2, 20)), np.zeros((2, 20))
    ahead[:, -1] = 1  # one item is better, the other nineteen tie
    rows = retrieval_table(told, pairs, {"chance": chance, "ahead": ahead})
    assert rows["item HR@10"].tolist() == pytest.approx([10 / 20, 9 / 19])
    assert rows["item MRR"].tolist() == pytest.approx(
        [(1 / np.arange(1, 21)).mean(), (1 / np.arange(2, 21)).mean()]
    )


def planted(n):
    """n users with two events: whoever wrote about a subject chooses the persona that loves an unrelated thing."""
    subjects = ("volcanoes", "knitting", "chess", "horses", "trains", "bread")
    lovers = (
        "the smell of rain",
        "loud trumpets",
        "tax law",
        "ancient coins",
        "deep sea diving",
        "tall glass towers",
    )
    texts = [f"A note about {subjects[u % 6]}, number {u}." for u in range(n) for _ in range(2)]
    told = by_hand(
        texts,
        [
            (2 * u + 2, 1, f"Somebody who loves {lovers[u % 6]}, as number {(7 * u) % 90} says.")
            for u in range(n)
        ],
        [u for u in range(n) for _ in range(2)],
    )
    pairs = pd.DataFrame(
        {"user": range(n), "item": [2 * u + 2 for u in range(n)], "persona": 1, "earlier": 1}
    )
    return told, pairs


def test_fine_tuning_finds_the_planted_persona_that_the_untrained_encoder_cannot(cache):
    told, pairs = planted(54)
    train, held_out = pairs[:36], pairs[36:]
    tuned = fit_encoder(told, train, batch_size=18, epochs=8, lr=5e-3, cache=cache)

    def hit(scores):  # does a persona of the right subject come first?
        return np.mean(scores.argmax(1) % 6 == held_out["user"].to_numpy() % 6)

    before = hit(persona_scores(told, held_out, vanilla(cache=cache).encode))
    after = hit(persona_scores(told, held_out, tuned.encode))
    assert after > 0.8
    assert before < 0.5
    np.testing.assert_allclose(np.linalg.norm(tuned.encode(["a text"]), axis=1), 1, rtol=1e-5)
    assert (
        tuned.parameters == 6 * 2 * 2 * 16 * 384
    )  # layers, query and value, two factors, rank, width
    again = fit_encoder(
        told, train, batch_size=18, epochs=8, lr=5e-3, cache=cache
    )  # read back, not trained again
    assert again.losses == tuned.losses


def test_scores_read_the_users_own_history_and_only_the_items_asked_for():
    told = by_hand(
        ["x", "y", "z", "w"], [(2, 1, "x"), (4, 1, "y"), (9, 1, "z")], users=[0, 0, 1, 1]
    )
    pairs = pd.DataFrame({"user": [1, 0], "item": [4, 2], "persona": 1, "earlier": [1, 1]})
    few = only_items_of(told, pairs)
    letters = {"x": 0, "y": 1, "z": 2, "w": 3}
    scores = persona_scores(
        few, pairs, lambda texts: np.eye(4, dtype=np.float32)[[letters[t] for t in texts]]
    )
    assert few.personas["item"].tolist() == [2, 4]
    assert scores.tolist() == [[0, 0], [1, 0]]  # user 1 wrote z, user 0 wrote x


def test_popularity_is_the_number_of_reviews_behind_a_persona():
    told = by_hand(["one"], [(1, 1, "p"), (2, 1, "q")])
    told.personas["evidence"] = [(0,), (0, 1, 2)]
    assert popularity_scores(told, pd.DataFrame({"user": [0, 0]})).tolist() == [[1, 3], [1, 3]]


# judge


def cases(n=4):
    return pd.DataFrame(
        {
            "context": [f"case {i}" for i in range(n)],
            "evidence": [("She wants calm.",)] * n,
            "a": ["She looks for calm, peace and quiet."] * n,
            "b": ["Engines."] * n,
        }
    )


def judged(monkeypatch, cache, name, say):
    llm = Scripted(
        {"persona4rec/comparison": lambda g: Verdict(winner=say(g), reason="")}, name, cache
    )
    monkeypatch.setattr(judge, "open_llm", lambda *args, **kwargs: llm)
    return judge.compare(cases(), ["clarity"], cache=cache, progress=False)


def test_a_judge_who_takes_whatever_comes_first_decides_nothing(monkeypatch, cache):
    verdicts = judged(monkeypatch, cache, "first", lambda g: "A")
    assert set(verdicts["winner"]) == {"tie"}
    trust = judge.agreement(verdicts).iloc[0]
    assert (trust["orders agree"], trust["first position"]) == (0, 1)
    rates = judge.win_rates(verdicts).iloc[0]
    assert (rates["tie"], rates["p"]) == (1, 1)


def test_a_judge_who_reads_says_the_same_in_both_orders(monkeypatch, cache):
    verdicts = judged(monkeypatch, cache, "reads", lambda g: "A" if "calm" in g.a else "B")
    rates = judge.win_rates(verdicts).iloc[0]
    assert (rates["a"], rates["cases"], rates["a of decided"]) == (1, 4, 1)
    assert rates["p"] == pytest.approx(2 * 0.5**4)
    trust = judge.agreement(verdicts).iloc[0]
    assert (trust["orders agree"], trust["first position"], trust["longer wins"]) == (1, 0.5, 1)


def test_kappa_between_criteria_is_one_where_they_ask_the_same():
    winners = ["a", "b", "a", "tie"]
    same = pd.DataFrame(
        [(n, c, w) for c in ("x", "y") for n, w in enumerate(winners)],
        columns=["case", "criterion", "winner"],
    )
    assert judge.between_criteria(same) == 1
    half = judge.kappa(pd.Series(["a", "a", "b", "b"]), pd.Series(["a", "b", "b", "a"]))
    assert half == 0  # agreement in half of the cases is what chance gives
    assert np.isnan(judge.kappa(pd.Series(["a", "a"]), pd.Series(["a", "a"])))


def test_the_explanation_is_the_text_of_the_items_best_persona():
    told = by_hand(["one", "two"], [(1, 1, "p"), (2, 1, "q"), (2, 2, "r")])
    pairs = pd.DataFrame({"user": [0], "item": [2], "earlier": [1]})
    found = judge.persona_explanations(told, pairs, np.array([[0.9, 0.1, 0.2]]))
    assert found[["persona", "explanation", "score"]].to_numpy().tolist() == [[2, "r", 0.2]]
    with pytest.raises(ValueError, match="no personas"):
        judge.persona_explanations(told, pairs.assign(item=5), np.array([[0.9, 0.1, 0.2]]))


def test_the_evidence_for_an_explanation_are_the_users_earlier_words_the_latest_first():
    told = by_hand(["one", "two", "three"], [(3, 1, "p")])
    pairs = pd.DataFrame({"user": [0], "item": [3], "earlier": [2]})
    case = judge.explanation_cases(told, pairs, ["ours"], ["theirs"]).iloc[0]
    assert (case["evidence"], case["a"], case["b"]) == (("two.", "one."), "ours", "theirs")


# tables


def test_personas_that_say_the_same_are_not_distinct(cache):
    told = by_hand(
        ["one"],
        [
            (1, 1, "loves rain"),
            (1, 2, "loves rain"),
            (2, 1, "hates tax law"),
            (2, 2, "hates tax law"),
        ],
    )
    inside, between = distinctness(told, cache=cache)
    assert inside == pytest.approx(0, abs=1e-5)
    assert between > 0.3
    mixed = by_hand(["one"], [(1, 1, "loves rain"), (1, 2, "hates tax law"), (2, 1, "loves rain")])
    assert distinctness(mixed, cache=cache)[0] == pytest.approx(between, abs=1e-5)


def test_labels_are_counted_beside_chance():
    told = by_hand(
        ["one", "two"],
        [(1, 1, "p"), (1, 2, "q"), (2, 1, "r"), (2, 2, "s"), (2, 3, "t"), (2, 4, "u")],
    )
    pairs = pd.DataFrame({"user": 0, "item": [1, 2], "persona": [1, 3]})
    pairs.attrs |= {"asked": 5, "lost": 3}
    row = label_statistics({"toy": (told, pairs)}).iloc[0]
    assert (row["first persona %"], row["by chance %"], row["left out"]) == (50, 37.5, 3)


def test_the_worked_example_shows_a_review_behind_its_persona(made):
    _, told, _ = made
    reviews = [f"review {row}" for row in range(len(told.interactions))]
    table = worked_example(told, reviews).set_index("step")["text"]
    item = next(i for i, title in told.titles().items() if title == table["item"])
    first = told.personas[told.personas["item"] == item].iloc[0]
    assert int(table["review"].split()[1]) in first["evidence"]
    assert table["description"] == first["description"]


# the published sample


def published(folder, selection="Selection: 1. x_P1"):
    """A sample of one user, three events, one item with reviews; the held-out event is not the last."""
    slots = {
        "category_preference": "crime",
        "purchase_purpose": "to relax",
        "quality_criteria": None,
        "usage_context": None,
    }
    persona = {
        "ID": "P1",
        "Name": "Calm Reader",
        "Description": "Likes it slow.",
        "Preference_Rationale": "As said.",
    }

    def event(item, stamp):
        return {
            "user_id": "u",
            "item_id": item,
            "summary": f"Summary of {item}.",
            "extracted": slots,
            "timestamp": stamp * 1000,
            "rating": 5.0,
            "review_title": "",
        }

    about = {"item_title": "T", "item_description": "D", "item_summary": "S."}
    stages = {
        "3.5_history": [{"user_id": "u", "reviews": [event("x", 2), event("w", 1), event("y", 3)]}],
        "3.5_gt": [{"user_id": "u", "item_id": "x"}],
        "3_personas": [{"item_id": "x", **about, "personas": [persona]}],
        "2.5_grouped": [
            {
                "item_id": "x",
                **about,
                "aspects": [
                    {"user_id": user, "timestamp": 2000, "rating": 4.0, "extracted_aspects": slots}
                    for user in ("u", "v")
                ],
            }
        ],
        "2_summary": [{"item_id": "z", **about}],
        "4_selected_personas": [
            {
                "user_id": "v",
                "target_item_id": "x",
                "selected_persona_id": "P1",
                "selected_persona_name": "Calm Reader",
                "selected_persona": persona,
                "selection_reasoning": selection,
            }
        ],
    }
    lists = [
        {
            "user_id": "u",
            "results": [
                {"item_id": i, "score": s} for i, s in (("x", 2.0), ("[PAD]", 1.0), ("z", 0.5))
            ],
        }
    ]
    files = {f"sample/amazon/{name}": rows for name, rows in stages.items()}
    files |= {
        "evaluation_example/amazon/gt/gt": stages["3.5_gt"],
        "evaluation_example/amazon/candidate/candidate": lists,
    }
    for name, rows in files.items():
        path = folder / f"{name}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return folder


def test_the_published_files_become_events_before_the_held_out_one_and_counted_defects(
    tmp_path, cache
):
    sample = read_sample(published(tmp_path), "amazon")
    assert sample.offline.interactions["text"].tolist() == ["Summary of w. crime. to relax."]
    assert sample.held_out.to_numpy().tolist() == [[0, 1]]
    assert sample.candidates[["item", "place"]].to_numpy().tolist() == [
        ["x", 1],
        ["z", 2],
    ]  # without the padding
    assert sample.defects["cases"].tolist() == [0, 1, 1, 1, 0]
    again = rebuild(sample, cache=cache, progress=False)
    assert again.personas["evidence"].tolist() == [
        (1,)
    ]  # v's review; the held-out one of u is left out


def test_a_stored_label_that_its_reasoning_contradicts_is_a_defect(tmp_path):
    sample = read_sample(published(tmp_path, "Selection: 2. x_P2"), "amazon")
    assert sample.defects["cases"].iloc[0] == 1
    assert sample.selections[["stored", "argued"]].to_numpy().tolist() == [["P1", "P2"]]


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": \n'))
    with pytest.raises(DataError, match=r"x\.jsonl\.gz, line 2"):
        read_lines(path)
    with pytest.raises(DataError, match="right would be"):
        read_sample(tmp_path, "netflix")


@pytest.mark.real
@pytest.mark.parametrize(
    ("dataset", "cases", "of"),
    [
        ("amazon", [38, 29, 3, 0, 2], [50, 46, 48, 0, 50]),
        ("yelp", [0, 31, 4, 3, 0], [50, 77, 50, 3, 50]),
    ],
)
def test_the_published_sample_has_these_defects(dataset, cases, of):
    folder = Path(os.environ.get("REPROLIB_DATA", ""), "persona4rec-sample")
    if not os.environ.get("REPROLIB_DATA") or not folder.is_dir():
        pytest.skip("persona4rec-sample absent: set REPROLIB_DATA")
    sample = read_sample(folder, dataset)
    assert sample.defects["cases"].tolist() == cases
    assert sample.defects["of"].tolist() == of
    counts = sample.offline.personas.groupby("item").size()
    assert (len(counts), counts.min(), counts.max()) == (50, 4, 7)


def test_few_answers_are_asked_where_reviews_repeat(cache):
    corpus = library(lambda rows: [(*row[:5], "I want calm. The plot is slow.") for row in rows])
    told = annotate(
        Dataset(leave_one_out(corpus, "books"), corpus),
        Annotator(cache=cache),
        cache,
        progress=False,
    )
    assert told.calls == 8 + 1 + 8  # summaries, the one distinct review, personas
