import copy
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from toy import corpus, echo, groups

from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.rank_lists import reranked_table
from reprolib.evaluate.table import rank_table
from reprolib.llm.items import Item
from reprolib.llm.task import Reply
from reprolib.papers.persona4rec import xrec
from reprolib.papers.persona4rec.systems import needed
from reprolib.rerankers import exp3rt, tallrec
from reprolib.rerankers.causal_lm import choice_scores, generate, open_lm, train_lm
from reprolib.rerankers.first_stage import lists
from reprolib.rerankers.histories import Material
from reprolib.rerankers.zs_llm import listwise
from reprolib.runs.systems import train
from reprolib.training.fitted import Fitted


def first_stage(split, seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    users = torch.randn(split.n_users, dim, generator=generator)
    items = torch.randn(split.n_items + 1, dim, generator=generator)
    items[0] = 100  # padding would win every list
    return Fitted(lambda stage: (users[split.held_out(stage)[0]], items), 0)


# ---------------------------------------------------------------------------------------------------- lists and ranks


@pytest.mark.parametrize("stage", ["valid", "test"])
def test_lists_hold_the_best_unseen_items_of_the_target_domain_only(stage):
    split = leave_one_out(echo(n_users=30, n_items=40), "target", "source")
    queries, items = first_stage(split).vectors(stage)
    found = lists(split, stage, first_stage(split), k=5).candidates
    users, where = split.held_out(stage)
    for row, (user, at) in enumerate(zip(users, where, strict=True)):
        met = set(split.item[split.ptr[user] : at].tolist())
        free = [c for c in range(split.candidates[0], split.candidates[1] + 1) if c not in met]
        free.sort(key=lambda c: -float(queries[row] @ items[c]))
        assert found[row].tolist() == free[:5]


def test_a_user_with_too_few_unseen_items_is_named_as_the_reason():
    split = leave_one_out(groups(n_users=10, n_items=12, length=6), "groups")
    with pytest.raises(ValueError, match="fewer than 8 are left; use fewer candidates"):
        lists(split, "test", first_stage(split), k=8)


def small_table(k=4):
    split = leave_one_out(groups(n_users=40, n_items=30, length=6), "groups")
    first = first_stage(split)
    return (
        split,
        lists(split, "test", first, k),
        rank_table(*first.vectors("test"), split, system="first"),
    )


def test_a_reranked_rank_is_the_place_in_the_new_order_and_others_stay():
    split, found, table = small_table()
    scores = np.tile(np.arange(4.0), (len(table), 1))  # the last of each list becomes the first
    ranks = reranked_table(table, split, found.candidates, scores)["rank"].to_numpy()
    assert len(found.rows) > 2
    for row in range(len(table)):
        old = table["rank"][row]
        assert ranks[row] == (5 - old if row in found.rows else old)


def test_equal_scores_keep_the_first_order_and_the_bottom_is_allowed():
    split, found, table = small_table()
    flat = reranked_table(table, split, found.candidates, np.zeros(found.candidates.shape))
    assert flat["rank"].tolist() == table["rank"].tolist()
    scores = np.full(found.candidates.shape, -np.inf)
    scores[:, 3] = 0.5
    ranks = reranked_table(table, split, found.candidates, scores)["rank"].to_numpy()[found.rows]
    assert ranks.tolist() == [{1: 2, 2: 3, 3: 4, 4: 1}[r] for r in table["rank"][found.rows]]


def test_whatever_the_scores_hr_at_the_length_of_the_list_is_the_generators():
    split, found, table = small_table()
    for seed in range(5):
        scores = np.random.default_rng(seed).normal(size=found.candidates.shape)
        ranks = reranked_table(table, split, found.candidates, scores)["rank"]
        assert value(ranks, "HR@4").tolist() == value(table["rank"], "HR@4").tolist()


def test_bad_scores_and_lists_are_refused():
    split, found, table = small_table()
    scores = np.zeros(found.candidates.shape)
    broken = scores.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match="1 of them NaN"):
        reranked_table(table, split, found.candidates, broken)
    twice = found.candidates.copy()
    twice[3, 0] = twice[3, 1]
    with pytest.raises(ValueError, match="twice, or padding"):
        reranked_table(table, split, twice, scores)
    with pytest.raises(ValueError, match="gave NaN"):
        found.rerank(lambda users, items: np.full(items.shape, np.nan))


def test_only_lists_that_hold_the_target_are_scored_and_that_changes_no_rank():
    split, found, table = small_table()
    asked = []

    def score(users, items):
        asked.append((users, items))
        return np.sin(items * (1.0 + users[:, None]))

    everything = replace(found, rows=np.arange(len(found.users)))
    few, all_ = (
        reranked_table(table, split, found.candidates, one.rerank(score))
        for one in (found, everything)
    )
    assert few["rank"].tolist() == all_["rank"].tolist()
    assert len(asked[0][0]) == len(found.rows) < len(found.users)


# ------------------------------------------------------------------------------------------------------ text material

TITLES = ["Axe", "Bread", "Cello", "Drum", "Egg", "Flute"]


@pytest.fixture
def material():
    """Two users; the first likes tools and dislikes food, the second the other way round."""
    rows = [(0, 1, 5.0, "Sharp and sturdy, I loved it."), (0, 2, 2.0, "The crust was stale and sad."),
            (0, 4, 4.0, "Loud and wonderful for parties."), (1, 2, 5.0, "The crust was excellent and fresh."),
            (1, 5, 4.0, "Very tasty for a long breakfast.")]  # fmt: skip
    events = pd.DataFrame(rows, columns=["user", "item", "rating", "review"]).assign(time=range(5))
    return Material(
        events,
        {n: Item(title=t, categories=("All", f"kind{n}")) for n, t in enumerate(TITLES, start=1)},
    )


class Scripted:
    """A back end that answers from a function of the conversation."""

    name, reads_input, recorded, workers, retries, backoff = "scripted", False, None, 1, 0, 0.0
    model = label = "scripted"

    def __init__(self, reply, cache):
        self.reply = reply
        self.cache = cache
        self.asked = []

    def send(self, messages, task):
        self.asked.append(messages[1]["content"])
        return Reply(self.reply(messages[1]["content"]))


def alphabetical(prompt):
    """Orders the candidates by title, wherever they stand in the prompt."""
    part = prompt.split("<candidates>")[1]
    place = {title: part.index(f"{title};") for title in TITLES if f"{title};" in part}
    number = {title: sorted(place.values()).index(at) + 1 for title, at in place.items()}
    return " > ".join(f"[{number[title]}]" for title in sorted(number))


@pytest.mark.parametrize("shuffle", [None, 3])
def test_a_listwise_answer_counts_for_the_items_it_names_in_whatever_order_they_were_shown(
    material, shuffle, tmp_path
):
    lists_ = np.array([[6, 3, 5], [3, 1, 4]])
    llm = Scripted(alphabetical, tmp_path)
    scores, failed = listwise(
        material, np.array([0, 1]), lists_, llm, shuffle=shuffle, progress=False
    )
    ordered = np.take_along_axis(lists_, np.argsort(-scores, axis=1), 1)
    assert (ordered.tolist(), failed) == ([[3, 5, 6], [1, 3, 4]], 0)
    assert len(llm.asked) == 2


def test_an_unusable_answer_leaves_the_first_order_and_is_counted(material, tmp_path):
    llm = Scripted(lambda prompt: "I cannot rank these.", tmp_path)
    shown = np.array([[6, 3], [3, 1]])
    scores, failed = listwise(material, np.array([0, 1]), shown, llm, progress=False)
    assert (scores.tolist(), failed) == ([[0, -1], [0, -1]], 2)


def test_the_prompt_of_a_reranker_tells_liked_from_disliked_in_order_of_time(material):
    asked = tallrec._ask(material, material.rows[0], None, 6)
    assert "Liked: Axe (kind1); Drum (kind4)" in asked
    assert "Disliked: Bread (kind2)" in asked
    assert "Target: Flute (kind6)" in asked
    early = tallrec._ask(material, material.rows[0], 1, 2)
    assert "Axe" in early
    assert "Drum" not in early, "the history holds a later event than the one to be predicted"


def test_training_answers_are_the_ratings(material):
    split = leave_one_out(groups(n_users=4, n_items=6, length=3), "groups")
    prompts, answers = tallrec.samples(material, split, most=10, seed=0)
    told = {p.split("Target: ")[1].split(" ")[0]: a for p, a in zip(prompts, answers, strict=True)}
    assert told == {
        "Bread": "No",
        "Drum": "Yes",
        "Egg": "Yes",
    }  # a user's first event has no earlier one


def test_without_ratings_a_no_is_an_item_that_the_user_never_met():
    rows = [
        (f"u{u}", f"i{6 * u + n}", "own", n) for u in range(20) for n in range(6)
    ]  # no item belongs to two users
    split = leave_one_out(corpus(rows), "own")
    user, item = split.train_pairs()
    owner = dict(zip(item.tolist(), user.tolist(), strict=True))
    events = pd.DataFrame({"user": user, "item": item, "time": 0, "rating": np.nan, "review": ""})
    read = Material(events, {n: Item(title=f"item{n}") for n in range(1, split.n_items + 1)})
    prompts, answers = tallrec.samples(read, split, most=200, seed=0)
    assert 15 < answers.count("No") < 45
    for asked, answer in zip(prompts, answers, strict=True):
        *history, target = map(int, re.findall(r"item(\d+)", asked))
        assert (answer == "Yes") == (owner.get(target) == owner[history[0]])


def test_the_review_to_be_rated_is_in_neither_profile(material, tmp_path):
    likes = exp3rt.Preferences(
        material, {row: ([f"good{row}"], [f"bad{row}"]) for row in range(5)}, 5
    )
    pair = likes.pair(0, 2, without=1)
    assert pair["user_likes"] == ["good2", "good0"]  # the latest first
    assert pair["item_dislikes"] == ["bad3"]
    assert pair["user_mean"] == 4.5
    assert pair["item_mean"] == 5.0
    whole = likes.pair(0, 2)
    assert whole["user_likes"] == ["good2", "good1", "good0"]
    assert whole["item_mean"] == 3.5


def test_an_item_nobody_rated_takes_the_mean_of_all(material):
    likes = exp3rt.Preferences(material, {}, 0)
    assert likes.pair(0, 6)["item_mean"] == pytest.approx(4.0)
    assert "Liked for: none" in exp3rt.prompt(likes.pair(0, 6))


def test_exp3rt_reads_the_latest_reviews_of_the_users_and_items_in_question_only(
    material, tmp_path, monkeypatch
):
    monkeypatch.setattr(exp3rt, "REVIEWS", 1)
    llm = Scripted(lambda prompt: '{"likes": ["something"], "dislikes": []}', tmp_path)
    found = exp3rt.extract(material, np.array([0]), np.array([[2]]), llm, progress=False)
    assert sorted(found.points) == [2, 3]  # user 0's latest review, and the latest of item 2
    unrated = Material(material.events.assign(rating=np.nan), material.items)
    with pytest.raises(DataError, match="EXP3RT predicts ratings"):
        exp3rt.extract(unrated, np.array([0]), np.array([[2]]), llm)


def test_the_student_learns_to_rate_high_what_is_rated_high(material, tmp_path):
    rng = np.random.default_rng(0)
    stars = {item: 5.0 if item <= 10 else 1.0 for item in range(1, 21)}
    rows = [
        (u, int(i), stars[int(i)], "fine") for u in range(60) for i in rng.permutation(20)[:6] + 1
    ]
    events = pd.DataFrame(rows, columns=["user", "item", "rating", "review"]).assign(
        time=range(len(rows))
    )
    read = Material(events, {n: Item(title=f"thing{n}") for n in range(1, 21)})
    known = exp3rt.Preferences(read, {row: ([], []) for row in range(len(rows))}, 0)
    llm = Scripted(lambda prompt: '{"reasoning": "The means decide.", "rating": 3}', tmp_path)
    model, _ = exp3rt.fit_exp3rt(known, llm, most=360, epochs=6, progress=False)
    scores = exp3rt.expected_ratings(
        model, known, np.array([0, 1]), np.array([[3, 15], [18, 7]]), progress=False
    )
    assert scores[0, 0] > scores[0, 1] + 1
    assert scores[1, 1] > scores[1, 0] + 1
    assert ((scores >= 1) & (scores <= 5)).all()


def test_an_explanation_in_the_style_of_xrec_reads_one_profile_and_no_persona(material, tmp_path):
    answer = '{"explanation": "You liked Axe, so a Flute suits you."}'
    llm = Scripted(lambda prompt: answer, tmp_path)
    said = xrec.explanations(material, [0], [6], {6: "A flute of ebony."}, llm, progress=False)
    assert said == ["You liked Axe, so a Flute suits you."]
    assert "A flute of ebony." in llm.asked[0]
    assert "Disliked: Bread" in llm.asked[0]
    assert "<persona>" not in llm.asked[0]


# ----------------------------------------------------------------------------------------------------------- causal LM


def matching(n, seed):
    """Yes where the item's colour stood in the history: to be learnt from context, not from single words."""
    rng, colours = np.random.default_rng(seed), ["red", "blue", "green", "black"]
    prompts, answers = [], []
    for _ in range(n):
        mine = colours[rng.integers(4)]
        item = mine if rng.random() < 0.5 else colours[rng.integers(4)]
        prompts.append(f"liked: {mine} ; {mine} ; {mine} . item: {item} . answer:")
        answers.append("Yes" if item == mine else "No")
    return prompts, answers


@pytest.fixture(scope="module")
def tuned():
    prompts, answers = matching(900, 0)
    lm = open_lm("small", prompts + answers)
    losses = train_lm(lm, prompts, answers, epochs=6, progress=False)
    return lm, losses


def test_the_small_model_learns_a_match_between_history_and_item(tuned):
    lm, losses = tuned
    prompts, answers = matching(200, 1)
    scores = choice_scores(lm, prompts, ("Yes", "No"), progress=False)
    assert (np.where(scores[:, 0] > scores[:, 1], "Yes", "No") == np.array(answers)).mean() > 0.95
    np.testing.assert_allclose(np.exp(scores).sum(1), 1, rtol=1e-5)
    assert losses[-1] < losses[0]


def test_scores_and_texts_do_not_depend_on_what_shares_the_batch(tuned):
    lm, _ = tuned
    prompts, _ = matching(6, 2)
    prompts[3] = "liked: red . item: red . answer:"
    together = choice_scores(lm, prompts, ("Yes", "No"), progress=False)
    apart = np.concatenate([choice_scores(lm, [p], ("Yes", "No"), progress=False) for p in prompts])
    np.testing.assert_allclose(together, apart, atol=1e-4)
    said = generate(lm, prompts, most=4, progress=False)
    assert said == [generate(lm, [p], most=4, progress=False)[0] for p in prompts]
    assert set(said) <= {"yes", "no"}


def test_a_long_prompt_loses_its_beginning_but_never_the_models_first_token(tuned):
    lm, _ = tuned
    begun = replace(lm, tokenizer=copy.deepcopy(lm.tokenizer))
    begun.tokenizer.bos_token = "[END]"
    assert lm.prompt_ids("red blue green", 2) == lm.ids("blue green", 2)
    assert begun.prompt_ids("red blue green", 2) == [lm.tokenizer.eos_token_id, *lm.ids("green", 1)]


def test_a_model_without_a_token_for_a_choice_says_so(tuned):
    with pytest.raises(ValueError, match="no single token for 'Perhaps'"):
        choice_scores(tuned[0], ["x"], ("Yes", "Perhaps"))


def test_any_causal_lm_of_a_folder_is_tuned_by_lora_alone(tuned, tmp_path):
    lm, _ = tuned
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    other = open_lm(str(tmp_path), [], rank=2)
    named = {n for n, p in other.model.named_parameters() if p.requires_grad}
    assert named
    assert all("lora" in n for n in named)
    prompts, answers = matching(60, 3)
    before = choice_scores(other, prompts, ("Yes", "No"), progress=False)
    np.testing.assert_allclose(
        before, choice_scores(lm, prompts, ("Yes", "No"), progress=False), atol=1e-4
    )
    train_lm(
        other,
        prompts,
        ["No" if a == "Yes" else "Yes" for a in answers],
        epochs=2,
        lr=1e-2,
        progress=False,
    )
    assert (
        np.abs(choice_scores(other, prompts, ("Yes", "No"), progress=False) - before).max() > 1e-3
    )


def test_a_model_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'cannot be loaded .*right would be "small", a folder'):
        open_lm(str(tmp_path / "nothing"), [])


# --------------------------------------------------------------------------------------------------------- PERSONA4REC


def offline(split):
    """Personas that tell a user's parity: even users like even items, and one persona of an item says so."""
    from reprolib.papers.persona4rec.offline import Offline

    user, item = split.train_pairs()
    parity = {n: int(split.items[n - 1][1:]) % 2 for n in range(1, split.n_items + 1)}
    word = ("alpha", "omega")
    events = pd.DataFrame({"user": user, "item": item, "time": 0, "rating": 5.0,
                           "text": [word[parity[i]] for i in item]})  # fmt: skip
    rows = [
        (i, n, f"p{n}", "", "", text)
        for i in parity
        for n, text in enumerate(("noise", word[parity[i]]), start=1)
    ]
    personas = pd.DataFrame(
        rows, columns=["item", "persona", "name", "description", "rationale", "text"]
    )
    summaries = pd.DataFrame({"item": list(parity), "title": "t", "summary": "grey"})
    return Offline(summaries, events, personas, "hand", 0)


def one_hot(texts):
    words = {"alpha": 0, "omega": 1, "noise": 2, "grey": 3}
    return np.eye(4, dtype=np.float32)[[words[t] for t in texts]]


def hits(split, found, table, kept):
    from reprolib.papers.persona4rec.index.index import PersonaIndex

    index = PersonaIndex.build(kept, one_hot, progress=False)
    scores = found.rerank(
        lambda users, items: index.score_many(
            np.stack([index.user_vector(int(u)) for u in users]), items
        )[0]
    )
    return value(reranked_table(table, split, found.candidates, scores)["rank"], "HR@5").mean()


def test_the_best_persona_lifts_the_items_that_fit_and_needs_more_than_the_first_one():
    split = leave_one_out(groups(), "groups")
    first = first_stage(split)
    found, table = (
        lists(split, "test", first, 20),
        rank_table(*first.vectors("test"), split, system="first"),
    )
    whole, before = offline(split), value(table["rank"], "HR@5").mean()
    assert hits(split, found, table, needed(whole, found)) > 1.4 * before
    assert hits(split, found, table, needed(whole, found, most=1)) == pytest.approx(before)
    assert hits(split, found, table, needed(whole, found, "summaries")) == pytest.approx(before)


def test_the_index_holds_what_the_lists_need_and_no_more():
    split = leave_one_out(groups(n_users=40), "groups")
    found = lists(split, "test", first_stage(split), 3)
    kept = needed(offline(split), found)
    assert set(kept.interactions["user"]) == set(found.users[found.rows])
    assert set(kept.personas["item"]) == set(np.unique(found.candidates[found.rows]))
    with pytest.raises(ValueError, match="reads is 'reviews'"):
        needed(offline(split), found, "reviews")


def test_a_generator_that_finds_nothing_is_an_error_that_says_so(monkeypatch):
    from reprolib.rerankers import reranker

    split = leave_one_out(groups(n_users=40), "groups")
    users = torch.zeros(split.n_users, split.n_items + 1)
    users[
        torch.arange(split.n_users), torch.from_numpy(split.item[split.test])
    ] = -1  # the held-out item comes last
    blind = Fitted(lambda stage: (users[split.held_out(stage)[0]], torch.eye(split.n_items + 1)), 0)
    monkeypatch.setattr(reranker, "first_stage", lambda *args: blind)
    with pytest.raises(ValueError, match="no list of BPR-MF on groups holds a held-out item"):
        train("ZS-LLM", Dataset(split), progress=False, generator_epochs=5, candidates=3)


def test_a_rerankers_run_stores_its_ranks_and_its_report(tmp_path, monkeypatch):
    from reprolib.data.datasets import load_dataset
    from reprolib.runs import grid as experiment

    split = load_dataset("world-smoke/books2023", "books2023").split
    found = lists(split, "test", first_stage(split), 20)
    answer = Fitted(
        first_stage(split).vectors,
        0,
        report={"annotator": "hand", "latency_ms": 0.5},
        reranked=lambda: (found.candidates, np.tile(np.arange(20.0), (len(found.users), 1))),
    )
    monkeypatch.setattr(experiment, "train", lambda *args, **options: answer)
    cells = experiment.runs(
        ["PERSONA4REC"],
        "world-smoke/books2023",
        "books2023",
        generator="LightGCN",
    )
    grid = experiment.run_grid(cells, store=tmp_path, progress=False)
    assert not grid.failures
    table = rank_table(*first_stage(split).vectors("test"), split, system="first")
    inside = found.rows
    assert grid.ranks["rank"].to_numpy()[inside].tolist() == (21 - table["rank"][inside]).tolist()
    info = grid.cells[0][1].info
    assert (info["annotator"], info["latency_ms"]) == ("hand", 0.5)
    assert grid.cost["coverage@10"].isna().all()
    assert set(grid.ranks["system"]) == {"PERSONA4REC"}
    assert set(grid.ranks["on"]) == {"LightGCN"}
    assert grid.cost["label"].tolist() == ["PERSONA4REC on LightGCN"]


def test_a_change_of_a_generators_code_reruns_its_rerankers():
    from reprolib.runs.digest import closure

    assert {"reprolib.baselines.bpr_mf", "reprolib.baselines.lightgcn"} <= closure(
        "reprolib.rerankers.tallrec"
    )
