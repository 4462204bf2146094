import numpy as np
import pytest
import torch
from toy import corpus, echo, groups, planted

from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import summarise
from reprolib.evaluate.table import rank_table
from reprolib.runs.systems import options_of, train
from reprolib.training.batches import Batches

QUICK = {"epochs": 30, "patience": 30}


def ndcg(name, split, **options):
    trained = train(name, split, seed=0, progress=False, **options)
    return summarise(rank_table(*trained.vectors("test"), split, system=name), ["NDCG@10"])[
        "NDCG@10"
    ].iloc[0]


def test_popularity_counts_training_events_of_the_target_only():
    rows = [
        (u, i, d, t)
        for u in "uvw"
        for t, (i, d) in enumerate([("a", "T"), ("b", "T"), ("c", "T"), ("s", "S")])
    ]
    split = leave_one_out(corpus([*rows, ("x", "b", "T", 0)]), "T", "S")
    _, items = train("Popularity", split, progress=False).vectors("test")
    counts = {split.items[code - 1]: items[code, 0].item() for code in range(1, 5)}
    assert counts == {"a": 3, "b": 1, "c": 0, "s": 0}


@pytest.mark.parametrize("name", ["SASRec", "SASRec-SSM"])
def test_a_sequence_model_learns_the_ring_that_popularity_cannot_see(name):
    split = leave_one_out(planted(), "ring")
    assert ndcg(name, split, dim=32, length=12, **QUICK) > 3 * ndcg("Popularity", split)


def test_bpr_learns_the_groups_that_popularity_cannot_see():
    split = leave_one_out(groups(), "groups")
    assert ndcg("BPR-MF", split, dim=16, epochs=150, every=10) > 1.5 * ndcg("Popularity", split)


def test_reading_both_domains_learns_the_echo_that_one_domain_cannot():
    split = leave_one_out(echo(), "target", "source")
    both = ndcg("SASRec-both", split, dim=32, length=16, **QUICK)
    assert both > 2 * ndcg("SASRec", split, dim=32, length=16, **QUICK)


@pytest.mark.parametrize("name", ["SASRec", "SASRec-both", "BPR-MF", "BPR-MF-both"])
def test_the_same_seed_gives_the_same_ranks_and_another_seed_others(name):
    split = leave_one_out(echo(n_users=120), "target", "source")

    def ranks(seed):
        trained = train(name, split, seed=seed, progress=False, epochs=3)
        return rank_table(*trained.vectors("test"), split, system=name)["rank"].tolist()

    assert ranks(1) == ranks(1)
    assert ranks(1) != ranks(2)


def changed(reads):
    """States of a SASRec on the echo data and after the held-out event and everything after it were replaced."""
    torch.manual_seed(0)
    original = echo(n_users=40)
    split = leave_one_out(original, "target", "source")
    from reprolib.baselines.sasrec import SASRec

    model = SASRec(split.n_items, dim=16, length=20, reads=reads).eval()
    other = leave_one_out(original, "target", "source")
    rng = np.random.default_rng(1)
    other.item[other.test] = rng.integers(*other.candidates, len(other.test))
    user = np.repeat(np.arange(other.n_users), np.diff(other.src_ptr))
    late = other.src_time >= other.time[other.test][user]
    other.src_item[late] = 1
    states = []
    for s in (split, other):
        batches = Batches(s, "test", model.length, model.parts)
        states.append(model.states(batches.batch(torch.arange(len(batches))), model.item_table()))
    return states


@pytest.mark.parametrize("reads", ["tgt", "mix"])
def test_what_happens_at_or_after_the_prediction_changes_nothing(reads):
    before, after = changed(reads)
    torch.testing.assert_close(before, after, rtol=0, atol=0)


@pytest.mark.parametrize("reads", ["tgt", "mix"])
@pytest.mark.parametrize("loss", ["bce", "bpr", "ssm"])
def test_gradients_reach_every_parameter(reads, loss):
    from reprolib.baselines.sasrec import SASRec
    from reprolib.training.losses import binary_loss, pairwise_loss, softmax_loss

    split = leave_one_out(echo(n_users=60), "target", "source")
    model = SASRec(split.n_items, dim=16, length=16, reads=reads)
    batches = Batches(split, "train", 16, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    state = model.states(batch, model.item_table())[batch.real]
    negatives = torch.randint(*split.candidates, (len(state),))
    function = {"bce": binary_loss, "bpr": pairwise_loss, "ssm": softmax_loss}[loss]
    function(state, model.item_table(), batch.pos[batch.real], negatives).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not model.item.weight.grad[0].any(), "padding was trained"


def test_a_state_never_sees_the_future_or_the_padding():
    from reprolib.nn.encoder import CausalEncoder

    torch.manual_seed(0)
    encoder = CausalEncoder(dim=8, length=6).eval()
    x, age = torch.randn(1, 6, 8), torch.zeros(1, 6, dtype=torch.long)
    other = x.clone()
    other[:, 3:] = 7.0
    torch.testing.assert_close(encoder(x, age)[:, :3], encoder(other, age)[:, :3])


def test_fast_dropout_keeps_the_mean_and_drops_the_share():
    from reprolib.nn.encoder import dropout

    torch.manual_seed(0)
    for p in (0.2, 0.5):
        y = dropout(torch.ones(200_000), p)
        assert abs(float((y == 0).float().mean()) - p) < 0.006
        assert abs(float(y.mean()) - 1) < 0.01


def test_attention_with_dropout_is_torchs_attention_when_nothing_is_dropped():
    from reprolib.nn.encoder import causal_attention

    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 1, 5, 8)
    torch.testing.assert_close(causal_attention(q, k, v, 1e-9), causal_attention(q, k, v, 0))


def test_saved_weights_give_the_same_ranks(tmp_path):
    from safetensors.torch import load_file, save_file

    from reprolib.baselines.sasrec import SASRec
    from reprolib.training.loop import encode, fit

    split = leave_one_out(planted(n_users=80), "ring")
    model = fit(SASRec(split.n_items, dim=16, length=12), split, epochs=2, progress=False).model
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = SASRec(split.n_items, dim=16, length=12)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    test = Batches(split, "test", 12)
    for one, two in zip(encode(model, test), encode(again, test), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_unknown_systems_and_options_name_the_nearest():
    with pytest.raises(ValueError, match="did you mean SASRec"):
        options_of("SASRek")
    split = leave_one_out(planted(n_users=20), "ring")
    with pytest.raises(ValueError, match="did you mean epochs"):
        train("SASRec", split, epoch=3)
