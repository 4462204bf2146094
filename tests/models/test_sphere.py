import numpy as np
import pytest
import torch
from toy import corpus, echo

from reprolib.baselines.popularity import popularity
from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.table import rank_table, rank_table_by_scores
from reprolib.papers.sphere.community import community_personas, nearest
from reprolib.papers.sphere.model import Sphere
from reprolib.papers.sphere.personas import check_disjoint
from reprolib.papers.sphere.systems import LightGCNBackbone
from reprolib.training.pairs import train_pairs

SOURCE = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-1.0, 0.0]])
TARGET = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -0.1]])
LOSS = {"loss": "infonce", "negatives": 8, "tau": 0.1, "lr": 1e-2, "batch_size": 256, "epochs": 40}


def few_events(n_users=480, n_items=240, kinds=6, seed=0):
    """Three events a user, all on items of the user's kind.

    One training event a user and two users an item: the graph says next to nothing, the persona everything.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = kinds * rng.permutation(n_items // kinds)[:3] + user % kinds
        rows += [(f"u{user}", f"i{item}", "few", 10 * step) for step, item in enumerate(own)]
    return corpus(rows, name="few")


@pytest.fixture(scope="module")
def dataset():
    return Dataset(leave_one_out(few_events(), "few"))


def personas(split, kinds=6):
    """Each user's and item's kind as a one-hot vector; padding is zero."""
    users = torch.eye(kinds)[[int(user[1:]) % kinds for user in split.users]]
    items = torch.eye(kinds)[[int(item[1:]) % kinds for item in split.items]]
    return users, torch.cat([torch.zeros(1, kinds), items])


def sphere_of(split, users, items):
    torch.manual_seed(0)
    return Sphere(LightGCNBackbone(split, dim=16, layers=3, reg=1e-4), users, items, 16)


def ndcg(fitted, split):
    if fitted.scores:
        ranks = rank_table_by_scores(fitted.scores("test"), split, system="x")
    else:
        ranks = rank_table(*fitted.vectors("test"), split, system="x")
    return np.asarray(value(ranks["rank"], "NDCG@10"))


def gain(ours, theirs):
    """Mean difference of paired users, in standard errors."""
    difference = ours - theirs
    return difference.mean() / (difference.std(ddof=1) / np.sqrt(len(difference)))


def test_neighbours_and_their_mean_by_hand():
    assert nearest(TARGET, SOURCE, 2).tolist() == [[0, 2], [1, 2], [3, 1]]
    vectors = community_personas(TARGET, SOURCE, 2, "csp", np.random.default_rng(0))
    np.testing.assert_allclose(vectors, [[2.0, 1.5], [1.5, 2.5], [-0.5, 1.0]])


def test_shuffling_deals_out_the_same_vectors_and_everybody_is_one_community():
    rng = np.random.default_rng(0)
    own = community_personas(TARGET, SOURCE, 2, "csp", rng)
    dealt = community_personas(TARGET, SOURCE, 2, "shuffled", rng)
    assert sorted(own.tolist()) == sorted(dealt.tolist())
    everybody = community_personas(TARGET, SOURCE, 4, "random", rng)
    np.testing.assert_allclose(everybody, np.tile(SOURCE.mean(0), (3, 1)))


@pytest.mark.parametrize("kind", ["csp", "random"])
@pytest.mark.parametrize("k", [0, 5])
def test_a_community_larger_than_the_source_is_one_sentence(kind, k):
    with pytest.raises(DataError, match="from 4 source personas; use a k from 1 to 4"):
        community_personas(TARGET, SOURCE, k, kind, np.random.default_rng(0))


def test_domains_that_share_users_are_refused():
    shared = Dataset(leave_one_out(echo(n_users=5), "target", "source"))
    with pytest.raises(DataError, match="5 users have events in source and in target"):
        check_disjoint(shared)


def test_a_domain_without_a_source_is_refused(dataset):
    with pytest.raises(DataError, match="0 source domains"):
        check_disjoint(dataset)


def test_the_score_is_the_backbones_plus_gate_times_semantics(dataset):
    model = sphere_of(dataset.split, *personas(dataset.split))
    users, items = torch.tensor([0, 1]), torch.tensor([[1, 2, 3], [4, 5, 6]])
    plain, gate, semantic = model.parts(users, items)
    torch.testing.assert_close(plain, model.backbone.score(users, items))
    torch.testing.assert_close(model.score(users, items), plain + gate * semantic)
    assert (gate.abs() < 1).all()
    torch.nn.init.constant_(model.gate.bias, -9.0)
    assert (model.parts(users, items)[1] < -0.9).all()


def test_every_weight_gets_a_gradient_and_no_persona_does(dataset):
    model = sphere_of(dataset.split, *personas(dataset.split))
    users, items = torch.arange(50), torch.randint(1, 100, (50, 9))
    model.score(users, items).pow(2).sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad.abs().sum() > 0, name
    assert not model.user_vectors.requires_grad


def test_true_personas_win_over_the_backbone_and_shuffled_ones_do_not(dataset):
    split = dataset.split
    users, items = personas(split)
    torch.manual_seed(0)
    backbone = LightGCNBackbone(split, dim=16, layers=3, reg=1e-4)
    alone = ndcg(train_pairs(backbone, dataset, 0, False, **LOSS), split)
    told = ndcg(train_pairs(sphere_of(split, users, items), dataset, 0, False, **LOSS), split)
    shuffled = users[torch.randperm(len(users), generator=torch.Generator().manual_seed(1))]
    dealt = ndcg(train_pairs(sphere_of(split, shuffled, items), dataset, 0, False, **LOSS), split)
    floor = ndcg(popularity(dataset, 0, False), split)
    assert told.mean() > 1.5 * floor.mean()
    assert gain(told, alone) > 3
    assert gain(told, dealt) > 3
    assert gain(dealt, alone) < 2
