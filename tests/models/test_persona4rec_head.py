"""The head on the frozen encoder, list scores with the generator, and the offline stage that knows the truth."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from reprolib.data.datasets import load_dataset, world_truth
from reprolib.papers.persona4rec.head import HeadEncoder, _PairBatches, best_head, fit_head
from reprolib.papers.persona4rec.list_scores import added_scores, best_weight, within_list
from reprolib.papers.persona4rec.oracle import true_offline, true_pairs
from reprolib.rerankers.first_stage import Lists
from reprolib.training.stopping import Training

WIDTH = 8


class Planted:
    """Texts "u3" and "p3" of six subjects have vectors that no head has brought together yet."""

    encoder = SimpleNamespace(name="planted")

    def __init__(self):
        rng = np.random.default_rng(0)
        self.user, self.persona = np.split(np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0], 2)
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        side = {"u": self.user, "p": self.persona}
        rows = [side[text[0]][int(text[1:]) % 4] for text in texts]
        return np.asarray(rows, np.float32)


def planted_pairs(n=48):
    """User u did two things of subject u % 4, and then chose the one persona of its own item, of the same subject."""
    users = np.repeat(np.arange(n), 2)
    offline = SimpleNamespace(
        interactions=pd.DataFrame({"user": users, "text": [f"u{u % 4}" for u in users]}),
        personas=pd.DataFrame(
            {"item": np.arange(n) + 1, "persona": 1, "text": [f"p{u % 4}" for u in range(n)]}
        ),
    )
    offline.before = lambda cases: (2 * cases["user"].to_numpy(), 2 * cases["user"].to_numpy() + 2)
    pairs = pd.DataFrame({"user": range(n), "item": np.arange(n) + 1, "persona": 1, "earlier": 2})
    return offline, pairs


def found(head):
    """Share of subjects whose persona is nearest to what its users do."""
    scores = head.encode([f"u{k}" for k in range(4)]) @ head.encode([f"p{k}" for k in range(4)]).T
    return float((scores.argmax(1) == np.arange(4)).mean())


def untrained_loss(offline, pairs):
    batches = _PairBatches(offline, pairs, Planted(), 10, 0.65, {})
    return batches.mean_loss(torch.zeros(WIDTH, WIDTH), 0.05)


def test_the_head_finds_the_planted_persona_that_the_frozen_encoder_cannot():
    offline, pairs = planted_pairs()
    base = Planted()
    untrained = HeadEncoder(base, np.zeros((WIDTH, WIDTH), np.float32), 0.65, Training())
    head = fit_head(offline, pairs, base, found, lr=0.01, epochs=60, batch_size=16, progress=False)
    assert found(untrained) < 0.8
    assert found(head) == 1
    assert head.training.ended == "patience"
    assert head.losses[-1] < head.losses[0]
    assert head.losses[0] == pytest.approx(untrained_loss(offline, pairs), rel=1e-5)
    assert head.parameters == WIDTH**2
    assert np.allclose(np.linalg.norm(head.encode(["u1", "p2"]), axis=1), 1, atol=1e-6)


def test_a_head_that_never_gets_better_is_the_frozen_encoder():
    offline, pairs = planted_pairs()
    base = Planted()
    head = fit_head(offline, pairs, base, lambda _: 0.5, patience=3, progress=False)
    assert not head.weight.any()
    assert head.training.best_look == 0
    assert np.allclose(head.encode(["u1"]), base.encode(["u1"]), atol=1e-6)


def test_the_loss_is_equation_9_by_hand():
    """Two users; the other's persona is the one negative; events are weighted by decay ** age."""
    base = Planted()
    offline = SimpleNamespace(
        interactions=pd.DataFrame({"user": [0, 0, 1, 1], "text": ["u0", "u1", "u2", "u2"]}),
        personas=pd.DataFrame({"item": [1, 2], "persona": 1, "text": ["p0", "p1"]}),
    )
    offline.before = lambda cases: (np.array([0, 2]), np.array([2, 4]))
    pairs = pd.DataFrame({"user": [0, 1], "item": [1, 2], "persona": 1, "earlier": 2})
    batches = _PairBatches(offline, pairs, base, 10, 0.5, {})
    weight = torch.from_numpy(np.random.default_rng(1).normal(size=(WIDTH, WIDTH)).astype("f4"))

    def moved(text):
        x = base.encode([text])[0]
        y = x + weight.numpy() @ x
        return y / np.linalg.norm(y)

    queries = [moved("u1") + 0.5 * moved("u0"), 1.5 * moved("u2")]  # the latest event counts most
    queries = [q / np.linalg.norm(q) for q in queries]
    logits = np.array([[q @ moved(p) for p in ("p0", "p1")] for q in queries]) / 0.2
    by_hand = np.mean([np.log(np.exp(row).sum()) - row[k] for k, row in enumerate(logits)])
    assert batches.loss(torch.arange(2), weight, 0.2).item() == pytest.approx(by_hand, rel=1e-4)


def test_other_personas_of_the_same_user_or_item_are_no_negatives():
    offline, pairs = planted_pairs(4)
    alike = pairs.assign(item=1)
    offline.personas = offline.personas.assign(item=1, persona=[1, 2, 3, 4])
    alike = alike.assign(persona=[1, 2, 3, 4])
    batches = _PairBatches(offline, alike, Planted(), 10, 0.65, {})
    assert batches.loss(torch.arange(4), torch.zeros(WIDTH, WIDTH), 0.1).item() == 0


def test_decay_and_temperature_are_chosen_by_validation_and_texts_are_encoded_once():
    offline, pairs = planted_pairs()
    base = Planted()
    head, tau = best_head(
        offline,
        pairs,
        base,
        lambda head: -abs(head.gamma - 0.8),
        gammas=(0.5, 0.8),
        taus=(0.1, 0.2),
        epochs=2,
        progress=False,
    )
    assert (head.gamma, tau) == (0.8, 0.1)
    assert len(base.asked) == len(set(base.asked))


def test_one_pair_cannot_be_contrasted():
    offline, pairs = planted_pairs()
    with pytest.raises(ValueError, match="a contrast needs at least two"):
        fit_head(offline, pairs[:1], Planted(), found)


def lists_by_hand(goals):
    """Two users with the items 1 to 4 in the generator's order."""
    candidates = np.tile([1, 2, 3, 4], (2, 1))
    scores = np.tile(np.array([4.0, 3, 2, 1], np.float32), (2, 1))
    return Lists(candidates, scores, np.array([0, 1]), np.array(goals), np.array([0, 1]))


def test_the_weight_beside_the_generator_is_chosen_on_validation_lists():
    def backwards(users, candidates):
        return candidates.astype(np.float32)

    assert best_weight(backwards, lists_by_hand([1, 1])) == 0
    assert best_weight(backwards, lists_by_hand([4, 4])) > 0.5
    both = added_scores(backwards, lists_by_hand([1, 1]), 0.5)
    assert np.allclose(both(np.array([1]), np.array([[1, 2, 3, 4]])), 0, atol=1e-6)


def test_scores_of_a_list_become_z_scores_and_equal_ones_zero():
    scores = within_list(np.array([[1.0, 2, 3], [5, 5, 5]]))
    assert scores.mean(1).tolist() == pytest.approx([0, 0])
    assert scores.std(1).tolist() == pytest.approx([1, 0])


def test_the_oracle_tells_motives_and_the_mixed_up_one_tells_those_of_other_items():
    dataset = load_dataset("world-smoke/books2023", "books2023")
    truth = world_truth(dataset.name, "reviews").to_pandas()
    truth = truth[truth["domain"] == "books2023"].set_index(["user", "item"])["motive"]
    told = true_offline(dataset, 1.0)
    split = dataset.split
    persona = told.personas.iloc[0]
    for row in persona["evidence"]:
        event = told.interactions.iloc[row]
        assert event["item"] == persona["item"]
        user, item = split.users[event["user"]], split.items[event["item"] - 1]
        assert truth[user, item] == persona["name"]
    pairs = true_pairs(told, per_user=2)
    assert pairs.groupby("user").size().max() == 2
    names = told.personas.set_index(["item", "persona"])["name"]
    start, _ = told.before(pairs)
    for (_, pair), first in zip(pairs.head(20).iterrows(), start, strict=False):
        event = told.interactions.iloc[first + pair["earlier"]]
        own = truth[split.users[event["user"]], split.items[event["item"] - 1]]
        assert names[pair["item"], pair["persona"]] == own
    mixed = true_offline(dataset, 0.0)
    assert len(true_pairs(mixed, 2)) < 0.05 * len(pairs)
    assert (
        mixed.personas["name"].value_counts().to_dict()
        == told.personas["name"].value_counts().to_dict()
    )
