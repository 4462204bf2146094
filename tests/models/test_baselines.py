import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy import corpus, echo, groups, planted

from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.summary import summarise
from reprolib.evaluate.table import rank_table
from reprolib.nn.encoder import CausalEncoder, causal_attention, drop
from reprolib.runs.systems import build_model, options_of, train
from reprolib.training.batches import Batches
from reprolib.training.loop import encode, fit
from reprolib.training.losses import binary_loss, pairwise_loss, softmax_loss

QUICK = {"epochs": 30, "patience": 30}


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small are slower on two threads, and far slower where the second core is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ndcg(name, split, **options):
    fitted = train(name, Dataset(split), seed=0, progress=False, **options)
    ranks = rank_table(*fitted.vectors("test"), split, system=name)
    return summarise(ranks, ["NDCG@10"])["NDCG@10"].iloc[0]


def sasrec_model(split, reads="tgt", length=16):
    return build_model("SASRec", Dataset(split), dim=16, length=length, reads=reads)


def test_popularity_counts_training_events_of_the_target_only():
    rows = [
        (u, i, d, t)
        for u in "uvw"
        for t, (i, d) in enumerate([("a", "T"), ("b", "T"), ("c", "T"), ("s", "S")])
    ]
    split = leave_one_out(corpus([*rows, ("x", "b", "T", 0)]), "T", "S")
    _, items = train("Popularity", Dataset(split), progress=False).vectors("test")
    counts = {split.items[code - 1]: items[code, 0].item() for code in range(1, 5)}
    assert counts == {"a": 3, "b": 1, "c": 0, "s": 0}


def test_bpr_learns_the_groups_that_popularity_cannot_see():
    split = leave_one_out(groups(), "groups")
    assert ndcg("BPR-MF", split, dim=16, epochs=150, every=10) > 1.5 * ndcg("Popularity", split)


def test_bpr_over_both_domains_knows_a_user_of_few_target_events_by_the_source():
    """Even users like even items in both domains; two training events of the target say less than twelve."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(240):
        for domain, n in (("source", 12), ("target", 4)):
            numbers = 2 * rng.permutation(20)[:n] + user % 2
            rows += [(f"u{user}", f"{domain[0]}{i}", domain, 10 * t) for t, i in enumerate(numbers)]
    split = leave_one_out(corpus(rows), "target", "source")
    options = {"dim": 16, "epochs": 150, "every": 10}
    both = ndcg("BPR-MF-both", split, **options)
    assert both > 1.4 * ndcg("Popularity", split)
    assert both > ndcg("BPR-MF", split, **options)


def test_reading_both_domains_learns_the_echo_that_one_domain_cannot():
    split = leave_one_out(echo(), "target", "source")
    both = ndcg("SASRec-both", split, dim=32, length=16, **QUICK)
    assert both > 2 * ndcg("SASRec", split, dim=32, length=16, **QUICK)


@pytest.mark.parametrize("name", ["SASRec", "SASRec-both", "BPR-MF", "BPR-MF-both"])
def test_the_same_seed_gives_the_same_ranks_and_another_seed_others(name):
    split = leave_one_out(echo(n_users=120), "target", "source")

    def ranks(seed):
        fitted = train(name, Dataset(split), seed=seed, progress=False, epochs=3)
        return rank_table(*fitted.vectors("test"), split, system=name)["rank"].tolist()

    assert ranks(1) == ranks(1)
    assert ranks(1) != ranks(2)


def changed(reads):
    """States of a SASRec on the echo data and after the held-out event and everything after it were replaced."""
    torch.manual_seed(0)
    original = echo(n_users=40)
    split = leave_one_out(original, "target", "source")
    model = sasrec_model(split, reads, length=20).eval()
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
    split = leave_one_out(echo(n_users=60), "target", "source")
    model = sasrec_model(split, reads)
    batches = Batches(split, "train", 16, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    state = model.states(batch, model.item_table())[batch.real]
    negatives = torch.randint(*split.candidates, (len(state),))
    function = {"bce": binary_loss, "bpr": pairwise_loss, "ssm": softmax_loss}[loss]
    function(state, model.item_table(), batch.pos[batch.real], negatives).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not model.item.weight.grad[0].any(), "padding was trained"


def test_a_state_never_sees_the_future_or_the_padding():
    torch.manual_seed(0)
    encoder = CausalEncoder(dim=8, length=6, blocks=2, heads=1, dropout=0.2).eval()
    x, age = torch.randn(1, 6, 8), torch.zeros(1, 6, dtype=torch.long)
    other = x.clone()
    other[:, 3:] = 7.0
    torch.testing.assert_close(encoder(x, age)[:, :3], encoder(other, age)[:, :3])


def test_fast_dropout_keeps_the_mean_and_drops_the_share():
    torch.manual_seed(0)
    for p in (0.2, 0.5):
        y = drop(torch.ones(200_000), p)
        assert abs(float((y == 0).float().mean()) - p) < 0.006
        assert abs(float(y.mean()) - 1) < 0.01


def test_attention_with_dropout_is_torchs_attention_when_nothing_is_dropped():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 1, 5, 8)
    torch.testing.assert_close(causal_attention(q, k, v, 1e-9), causal_attention(q, k, v, 0))


def test_saved_weights_give_the_same_ranks(tmp_path):
    split = leave_one_out(planted(n_users=80), "ring")
    model = fit(sasrec_model(split, length=12), split, epochs=2, progress=False).model
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = sasrec_model(split, length=12)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    test = Batches(split, "test", 12)
    for one, two in zip(encode(model, test), encode(again, test), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_unknown_systems_and_options_name_the_nearest():
    with pytest.raises(ValueError, match="did you mean SASRec"):
        options_of("SASRek")
    split = leave_one_out(planted(n_users=20), "ring")
    with pytest.raises(ValueError, match="did you mean epochs"):
        train("SASRec", Dataset(split), epoch=3)


@pytest.mark.parametrize("name", ["SASRec", "BPR-MF", "LightGCN"])
def test_what_is_fitted_knows_how_its_training_ended(name):
    dataset = Dataset(leave_one_out(groups(n_users=80), "groups"))
    fitted = train(name, dataset, progress=False, dim=8, epochs=5, every=2)
    assert [row["epoch"] for row in fitted.history if "NDCG@10" in row] == [2, 4, 5]
    assert (fitted.looks, fitted.ended) == (3, "limit")
    assert 1 <= fitted.best_look <= 3
    assert fitted.steps == fitted.history[-1]["steps"] > 0
    stopped = train(name, dataset, progress=False, dim=8, epochs=5, patience=1, every=1, lr=0.0)
    assert (stopped.looks, stopped.best_look, stopped.ended) == (2, 1, "patience")
    waited = train(
        name,
        dataset,
        progress=False,
        dim=8,
        epochs=5,
        patience=1,
        every=1,
        lr=0.0,
        minimum_steps=stopped.steps + 1,
    )
    assert (waited.looks, waited.best_look, waited.ended) == (3, 1, "patience")


def test_popularity_is_not_trained():
    fitted = train("Popularity", Dataset(leave_one_out(groups(), "groups")), progress=False)
    assert (fitted.steps, fitted.looks, fitted.ended, fitted.history) == (0, 0, "", [])


@pytest.mark.parametrize("name", ["SASRec", "BPR-MF", "LightGCN"])
@pytest.mark.parametrize("option", ["epochs", "patience", "every"])
def test_a_limit_of_nothing_is_refused(name, option):
    dataset = Dataset(leave_one_out(groups(n_users=20), "groups"))
    for number in (0, -1, 2.5):
        with pytest.raises(ValueError, match=rf"^{option} is {number}; use a whole number"):
            train(name, dataset, progress=False, **{option: number})
