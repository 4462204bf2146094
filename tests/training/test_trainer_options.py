"""Options of the trainer that are off by default: full softmax, mixed batches, label weights, start, schedule."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toy import corpus, planted

from reprolib.baselines.c2dsr import c2dsr
from reprolib.baselines.mgcl import mgcl
from reprolib.baselines.sasrec import sasrec
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.table import rank_table
from reprolib.training import full_softmax
from reprolib.training.batches import Batches
from reprolib.training.full_softmax import full_softmax_loss
from reprolib.training.loop import SequenceTrainer, fit
from reprolib.training.recipe import Recipe
from reprolib.training.schedule import Schedule, rate_share
from reprolib.training.start import start_tables

SPLIT = leave_one_out(planted(n_users=120), "ring")


def uneven(n_users=320, most_source_events=1):
    """Users of 3 to 24 target events over 40 items, and of one source event or more before them."""
    rows = []
    for user in range(n_users):
        n_source = 1 + user % most_source_events
        rows += [(f"u{user}", f"s{t}", "S", t - n_source) for t in range(n_source)]
        rows += [(f"u{user}", f"i{(user + t) % 40}", "T", 1 + t) for t in range(3 + user % 22)]
    return leave_one_out(corpus(rows), "T", "S")


UNEVEN = uneven()


def loss_and_gradients(function, *tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]
    loss = function(*leaves)
    (3 * loss).backward()
    return [loss.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("held", [10**9, 200, 1], ids="{} logits".format)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("bf16", 1e-2)])
def test_the_full_softmax_is_torchs_cross_entropy(held, precision, tolerance, monkeypatch):
    monkeypatch.setattr(full_softmax, "LOGITS", held)
    monkeypatch.setattr(full_softmax, "FEWEST_ROWS", 1)
    torch.manual_seed(0)
    state, table = torch.randn(23, 16), 0.3 * torch.randn(61, 16)
    positive = torch.randint(21, 51, (23,))

    def ours(state, table):
        return full_softmax_loss(state, table, positive, 21, 50, precision)

    def torchs(state, table):
        return F.cross_entropy(state @ table[21:51].T, positive - 21)

    pairs = zip(
        loss_and_gradients(ours, state, table),
        loss_and_gradients(torchs, state, table),
        strict=True,
    )
    for mine, theirs in pairs:
        assert (mine - theirs).norm() < tolerance * theirs.norm()
    assert not loss_and_gradients(ours, state, table)[2][:21].any()


def test_a_sure_answer_has_a_finite_loss():
    state, table = torch.tensor([[100.0]]), torch.tensor([[0.0], [1.0], [-1.0]])
    for item in (1, 2):
        assert torch.isfinite(full_softmax_loss(state, table, torch.tensor([item]), 1, 2))


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_full_softmax_learns_the_ring(precision):
    options = {"dim": 32, "length": 12, "batch_size": 64, "epochs": 30, "every": 5}
    fitted = sasrec(Dataset(SPLIT), 0, False, loss="softmax", precision=precision, **options)
    ranks = rank_table(*fitted.vectors("test"), SPLIT, system="x")
    assert value(ranks["rank"], "NDCG@10").mean() > 0.6


@pytest.mark.parametrize("pool", [0, 1, 3])
def test_an_epoch_meets_every_row_once_whatever_the_pool(pool):
    batches = Batches(UNEVEN, "train", 50)
    rows = list(batches.epoch(8, np.random.default_rng(0), pool))
    assert sorted(torch.cat(rows).tolist()) == list(range(len(batches)))
    assert sorted(map(len, rows))[1:] == [8] * (len(rows) - 1)


def test_the_larger_the_pool_the_less_a_batch_mixes():
    batches = Batches(UNEVEN, "train", 50)

    def spread(pool):
        epoch = batches.epoch(16, np.random.default_rng(0), pool)
        return np.mean([np.ptp(batches.n_np[rows]) for rows in epoch])

    assert spread(1) > 3 * spread(5) > 6 * spread(0)


def test_with_weights_of_labels_the_steps_of_an_epoch_weigh_as_many_labels_as_they_have():
    """A label has the same share of the epoch's gradient in a batch of short rows and in one of long rows."""
    dataset = Dataset(UNEVEN)
    shares = {}
    for weights in ("batch", "equal"):
        torch.manual_seed(0)
        trainer = SequenceTrainer(
            sasrec.build(dataset, dim=8, dropout=0.0),
            dataset.split,
            Recipe(loss="softmax", lr=0.0, batch_size=8, label_weights=weights),
            np.random.default_rng(0),
        )
        trainer._label_loss = lambda states, *_: states.sum() * 0 + 1.0
        rows = list(trainer.batches.epoch(8, np.random.default_rng(0)))
        labels = np.array([trainer.batches.n_np[r].sum() for r in rows])
        losses = np.array([trainer._step(r, None).item() for r in rows])
        shares[weights] = losses / labels
    assert np.ptp(shares["batch"]) > 0.01
    assert np.allclose(shares["equal"], shares["equal"][0])


def test_means_over_labels_inside_a_model_are_weighted_by_the_labels_of_its_batch():
    """Target and source labels each add up to as many batches as an epoch has."""
    split = uneven(most_source_events=7)
    trainer = SequenceTrainer(
        c2dsr.build(Dataset(split), dim=8), split, Recipe(batch_size=24), np.random.default_rng(0)
    )
    batches = trainer.batches
    assert batches.source_labels.sum() > 0
    rows = list(batches.epoch(24, np.random.default_rng(0)))
    weighted = [trainer._weighted(batches.batch(part), part) for part in rows]
    n_average = len(batches) / 24
    assert sum(batch.label_weight for batch in weighted) == pytest.approx(n_average)
    assert sum(batch.source_label_weight for batch in weighted) == pytest.approx(n_average)
    counted = [(batch.src[:, 1:] > 0).sum().item() for batch in weighted]
    assert counted == [batches.source_labels[part.numpy()].sum() for part in rows]


def test_tables_start_at_the_given_scale_and_padding_at_zero():
    torch.manual_seed(0)
    model = mgcl.build(Dataset(UNEVEN), dim=64)
    before = model.carry.weight.clone()
    start_tables(model, UNEVEN, id_std=0.1, position_std=0.02)
    assert model.item.weight[1:].std().item() == pytest.approx(0.1, rel=0.1)
    assert model.user.weight.std().item() == pytest.approx(0.1, rel=0.1)
    assert model.source.position.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not model.item.weight[0].any()
    assert torch.equal(model.carry.weight, before)


def test_the_rate_warms_up_and_decays():
    shares = [rate_share(step, 0.0, 4, "linear") for step in range(6)]
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    assert rate_share(99, 0.5, 4, "none") == 1
    assert rate_share(99, 0.25, 4, "linear") == pytest.approx(0.75)
    assert rate_share(99, 0.25, 4, "cosine") == pytest.approx((1 + 2**-0.5) / 2)
    assert rate_share(99, 1.0, 4, "cosine") == pytest.approx(0)


def test_each_group_s_own_rate_follows_the_schedule():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": weights[:1], "lr": 0.5}, {"params": weights[1:]}]
    optimiser = torch.optim.Adam(groups, lr=0.1)
    Schedule(optimiser, 1, "linear").set_rates(0, 0.2)
    assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([0.5 * 0.4, 0.1 * 0.4])


def test_the_last_steps_of_a_decayed_training_change_little():
    torch.manual_seed(0)
    model = sasrec.build(Dataset(SPLIT), dim=16, length=12)
    recipe = Recipe(lr=1e-2, batch_size=32, decay="linear", epochs=4)
    trainer = SequenceTrainer(model, SPLIT, recipe, np.random.default_rng(0))
    moved = []
    for _ in range(4):
        before = model.item.weight.detach().clone()
        trainer.train_epoch()
        moved.append((model.item.weight - before).norm().item())
    assert trainer.optimiser.param_groups[0]["lr"] == pytest.approx(1e-2 / 16)  # step 15 of 16
    assert moved[3] < 0.5 * moved[0]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"precision": "fp16"}, "use one of bf16, fp32"),
        ({"label_weights": "row"}, "use one of batch, equal"),
        ({"decay": "step"}, "use one of none, linear, cosine"),
        ({"pool": -1}, "pool is -1; use a whole number of at least 0"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"id_std": -0.1}, "id_std is -0.1"),
    ],
    ids=str,
)
def test_a_wrong_option_is_one_sentence(option, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(sasrec.build(Dataset(SPLIT), dim=8), SPLIT, **option, progress=False)
