import numpy as np
import pytest
import torch
from toy import corpus, echo, groups

from reprolib.baselines.lightgcn import LightGCN, lightgcn
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.summary import summarise
from reprolib.evaluate.table import rank_table
from reprolib.runs.systems import train


def dense(split, ego, layers):
    """The paper's formula per node, over neighbour lists, without a matrix."""
    near = {node: [] for node in range(len(ego))}
    for user, item in set(zip(*(x.tolist() for x in split.train_pairs()), strict=True)):
        near[user].append(split.n_users + item)
        near[split.n_users + item].append(user)
    total = state = ego
    for _ in range(layers):
        state = np.stack(
            [
                sum(
                    (state[m] / np.sqrt(len(near[n]) * len(near[m])) for m in near[n]), 0 * state[n]
                )
                for n in range(len(ego))
            ]
        )
        total = total + state
    return total / (layers + 1)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_propagation_is_the_papers_sum_over_neighbours(layers):
    torch.manual_seed(0)
    split = leave_one_out(groups(n_users=20, n_items=12, length=5), "groups")
    model = LightGCN(split, dim=4, layers=layers, reg=1e-4)
    users, items = (x.detach().numpy() for x in model.vectors())
    expected = dense(split, model.ego.detach().numpy().astype(np.float64), layers)
    np.testing.assert_allclose(np.concatenate([users, items]), expected, atol=1e-6)


def test_it_learns_the_groups_that_popularity_cannot_see():
    split = leave_one_out(groups(), "groups")

    def ndcg(name, **options):
        fitted = train(name, Dataset(split), seed=0, progress=False, **options)
        return summarise(rank_table(*fitted.vectors("test"), split, system=name), ["NDCG@10"])[
            "NDCG@10"
        ].iloc[0]

    assert ndcg("LightGCN", dim=16, epochs=60, batch_size=256) > 1.5 * ndcg("Popularity")


def test_held_out_events_and_the_other_domain_are_in_no_edge():
    original = echo(n_users=40)
    split, other = (leave_one_out(original, "target", "source") for _ in range(2))
    for held in (other.test, other.valid):
        other.item[held] = np.random.default_rng(1).integers(*other.candidates, len(held))
    other.src_item[:] = 1
    torch.manual_seed(0)
    one = LightGCN(split, dim=8, layers=3, reg=1e-4)
    two = LightGCN(other, dim=8, layers=3, reg=1e-4)
    two.load_state_dict(one.state_dict())
    for a, b in zip(one.vectors(), two.vectors(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_same_seed_gives_the_same_vectors_and_another_seed_others():
    split = leave_one_out(groups(n_users=60), "groups")
    one, again, other = (
        lightgcn(Dataset(split), s, False, dim=8, epochs=3).vectors("test")[1] for s in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_the_best_validation_epoch_is_kept_and_training_stops_after_patience():
    split = leave_one_out(groups(n_users=80), "groups")
    fitted = lightgcn(Dataset(split), 0, False, dim=8, epochs=400, every=2, patience=3, lr=0.05)
    looks = [row["NDCG@10"] for row in fitted.history if "NDCG@10" in row]
    assert (fitted.looks, fitted.best_look) == (len(looks), 1 + int(np.argmax(looks)))
    assert fitted.looks - fitted.best_look == 3
    assert fitted.ended == "patience"
    assert fitted.history[-1]["epoch"] == 2 * fitted.looks < 400
    ranks = rank_table(*fitted.vectors("valid"), split, system="LightGCN", stage="valid")
    assert value(ranks["rank"], "NDCG@10").mean() == pytest.approx(max(looks))


def test_only_vectors_of_seen_nodes_get_a_gradient_from_the_score():
    rows = [(u, i, "d", t) for u in "abc" for t, i in enumerate("vwxyz")] + [
        ("e", "only-held-out", "d", 9)
    ]
    split = leave_one_out(corpus([*rows, ("e", "v", "d", 1), ("e", "w", "d", 2)]), "d")
    model = LightGCN(split, dim=4, layers=3, reg=1e-4)
    users, items = model.vectors()
    (users[0] * items[1]).sum().backward()
    lonely = split.n_users + 1 + list(split.items).index("only-held-out")
    assert not model.ego.grad[lonely].any()
    assert model.ego.grad[: split.n_users].any()
