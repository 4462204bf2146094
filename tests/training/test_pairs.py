import math

import pytest
import torch
from torch import nn, tensor
from toy import groups

from reprolib.baselines.popularity import popularity
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.table import rank_table, rank_table_by_scores
from reprolib.training import losses
from reprolib.training.pairs import pair_system, score_blocks, train_pairs
from reprolib.training.recipe import PAIR_LOSSES

DATASET = Dataset(leave_one_out(groups(), "groups"))
SPLIT = DATASET.split


class Scorer(nn.Module):
    """A score that is no dot product: a network over both vectors side by side."""

    def __init__(self, split, dim):
        super().__init__()
        self.user = nn.Embedding(split.n_users, dim)
        self.item = nn.Embedding(split.n_items + 1, dim)
        self.network = nn.Sequential(nn.Linear(3 * dim, 16), nn.ReLU(), nn.Linear(16, 1))

    def score(self, users, items):
        item = self.item(items)  # (B, k, d)
        user = self.user(users)[:, None].expand_as(item)
        return self.network(torch.cat([user, item, user * item], -1))[..., 0]


class Factors(nn.Module):
    """A score that is a dot product."""

    def __init__(self, split, dim):
        super().__init__()
        self.user = nn.Embedding(split.n_users, dim)
        self.item = nn.Embedding(split.n_items + 1, dim)

    def score(self, users, items):
        return (self.user(users)[:, None] * self.item(items)).sum(-1)

    def vectors(self):
        return self.user.weight, self.item.weight


@pair_system
def scorer(dataset, *, dim: int = 16):
    return Scorer(dataset.split, dim)


@pair_system
def factors(dataset, *, dim: int = 16):
    return Factors(dataset.split, dim)


def ndcg(fitted, stage="test"):
    if fitted.scores:
        ranks = rank_table_by_scores(fitted.scores(stage), SPLIT, system="x", stage=stage)
    else:
        ranks = rank_table(*fitted.vectors(stage), SPLIT, system="x", stage=stage)
    return value(ranks["rank"], "NDCG@10").mean()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("loss", PAIR_LOSSES)
@pytest.mark.parametrize("system", [scorer, factors], ids=["network", "dot product"])
def test_each_loss_learns_the_groups_that_popularity_cannot_see(loss, system):
    negatives = {"bpr": 1, "bce": 4, "infonce": 8, "ssm": 20}[loss]
    fitted = system(
        DATASET, 0, False, loss=loss, negatives=negatives, lr=1e-2, batch_size=128, epochs=60
    )
    assert ndcg(fitted) > 1.5 * ndcg(popularity(DATASET, 0, False))


@pytest.mark.parametrize("system", [scorer, factors])
def test_the_best_look_is_what_is_left(system):
    fitted = system(DATASET, 0, False, lr=3e-2, batch_size=128, epochs=30, every=2, patience=3)
    looks = [row["NDCG@10"] for row in fitted.history if "NDCG@10" in row]
    assert fitted.best_look == 1 + looks.index(max(looks))
    assert ndcg(fitted, "valid") == pytest.approx(max(looks), abs=1e-9)
    assert fitted.steps == fitted.history[-1]["steps"] == fitted.history[-1]["epoch"] * 12


def test_a_dot_product_ranks_alike_by_vectors_and_by_scores():
    torch.manual_seed(0)
    model = Factors(SPLIT, 8)
    users, _ = SPLIT.held_out("test")
    queries = model.user.weight.detach()[users]
    by_vectors = rank_table(queries, model.item.weight.detach(), SPLIT, system="x")
    by_scores = rank_table_by_scores(score_blocks(model, users, SPLIT.n_items), SPLIT, system="x")
    assert by_vectors["rank"].tolist() == by_scores["rank"].tolist()


def test_the_same_seed_gives_the_same_scores_and_another_seed_others():
    one, again, other = (
        scorer(DATASET, seed, False, epochs=2).scores("test")(0, 9) for seed in (1, 1, 2)
    )
    assert one.shape == (9, SPLIT.n_items + 1)
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_a_model_s_own_loss_is_added():
    class Small(Factors):
        def own_loss(self, users, items):
            assert items.shape == (len(users), 3)
            return 100 * (self.user(users).pow(2).sum() + self.item(items).pow(2).sum())

    torch.manual_seed(0)
    model = Small(SPLIT, 8)
    size = model.user.weight.abs().mean().item()
    train_pairs(model, DATASET, 0, False, negatives=2, lr=1e-2, epochs=100, every=100)
    assert model.user.weight.abs().mean() < 0.5 * size


def test_wrong_options_are_one_sentence():
    with pytest.raises(ValueError, match="use one of bpr, bce, infonce, ssm"):
        scorer(DATASET, 0, False, loss="mse")
    with pytest.raises(ValueError, match=r"^negatives is 0; use a whole number"):
        scorer(DATASET, 0, False, negatives=0)
    with pytest.raises(ValueError, match=r"^tau is 0; use a number above 0"):
        scorer(DATASET, 0, False, tau=0)
    with pytest.raises(TypeError, match="epoch"):
        scorer(DATASET, 0, False, epoch=3)


def test_an_option_has_one_default():
    with pytest.raises(ValueError, match="lr is an option of the training already"):
        pair_system(lambda dataset, *, lr=0.1: None)


# scores of two rows: positive first, then two negatives
SCORES = tensor([[2.0, 1.0, 0.0], [-1.0, 3.0, -1.0]])


def softplus(x):
    return math.log1p(math.exp(x))


def test_losses_of_scores_by_hand():
    pairwise = (softplus(1 - 2) + softplus(0 - 2) + softplus(3 + 1) + softplus(-1 + 1)) / 4
    assert losses.pairwise_loss_of_scores(SCORES).item() == pytest.approx(pairwise, rel=1e-6)
    first = softplus(-2) + softplus(1) + softplus(0)
    second = softplus(1) + softplus(3) + softplus(-1)
    binary = losses.binary_loss_of_scores(SCORES).item()
    assert binary == pytest.approx((first + second) / 2, rel=1e-6)
    first = -math.log(math.exp(2) / (math.exp(2) + math.exp(1) + 1))
    second = -math.log(math.exp(-1) / (2 * math.exp(-1) + math.exp(3)))
    softmax = losses.softmax_loss_of_scores(SCORES).item()
    assert softmax == pytest.approx((first + second) / 2, rel=1e-6)


def test_losses_of_scores_with_one_negative_are_those_of_states():
    state, table = torch.randn(4, 3), torch.randn(9, 3)
    positive, negative = tensor([1, 2, 3, 4]), tensor([5, 6, 7, 8])
    items = torch.stack([positive, negative], 1)
    scores = (state[:, None] * table[items]).sum(-1)
    for of_scores, of_states in (
        (losses.pairwise_loss_of_scores, losses.pairwise_loss),
        (losses.binary_loss_of_scores, losses.binary_loss),
    ):
        torch.testing.assert_close(of_scores(scores), of_states(state, table, positive, negative))
