import pytest
import torch
from toy import planted

from reprolib.baselines.sasrec import sasrec
from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.table import rank_table
from reprolib.training.batches import Batches
from reprolib.training.loop import SequenceTrainer, encode, fit

SPLIT = leave_one_out(planted(n_users=120), "ring")

AS_BUILT = {"id_std": 0.0, "position_std": 0.0}  # tables as the model has them


def small():
    torch.manual_seed(0)
    return sasrec.build(Dataset(SPLIT), dim=16, length=12)


def valid_ndcg(model):
    vectors = encode(model, Batches(SPLIT, "valid", 12))
    ranks = rank_table(*vectors, SPLIT, system="s", stage="valid")
    return value(ranks["rank"], "NDCG@10").mean()


def test_the_model_keeps_the_weights_of_its_best_look():
    result = fit(small(), SPLIT, epochs=12, patience=12, lr=3e-2, progress=False)
    looks = [row["NDCG@10"] for row in result.training.history]
    assert result.training.best_look == 1 + looks.index(max(looks))
    assert valid_ndcg(result.model) == pytest.approx(max(looks), abs=1e-9)


def test_training_stops_when_validation_no_longer_rises():
    training = fit(small(), SPLIT, epochs=500, patience=3, lr=1e-2, progress=False).training
    assert training.looks == training.best_look + 3
    assert training.ended == "patience"
    assert training.steps == training.looks  # one batch holds the 120 users


def test_training_does_not_end_before_the_first_look():
    """With every=10 and patience=5 it ended in epoch 5, untested, when patience counted epochs."""
    training = fit(small(), SPLIT, epochs=25, every=10, patience=5, progress=False).training
    assert [row["epoch"] for row in training.history if "NDCG@10" in row] == [10, 20, 25]
    assert training.ended == "limit"


def test_a_minimum_of_steps_is_wired_through():
    fitted = sasrec(Dataset(SPLIT), 0, False, dim=8, length=12, lr=0.0, patience=1, minimum_steps=7)
    assert (fitted.steps, fitted.best_look, fitted.ended) == (7, 1, "patience")


def test_an_interrupt_keeps_the_best_state(monkeypatch):
    real = SequenceTrainer.train_epoch
    epochs = []

    def interrupted(self):
        if len(epochs) == 3:
            raise KeyboardInterrupt
        epochs.append(1)
        return real(self)

    monkeypatch.setattr(SequenceTrainer, "train_epoch", interrupted)
    result = fit(small(), SPLIT, epochs=9, progress=False)
    assert result.training.ended == "interrupted"
    assert len(result.training.history) == 3
    looks = [row["NDCG@10"] for row in result.training.history]
    assert valid_ndcg(result.model) == pytest.approx(max(looks), abs=1e-9)


def test_a_loss_that_explodes_is_said():
    model = small()
    with torch.no_grad():
        model.item.weight[3] = float("nan")
    with pytest.raises(ValueError, match=r"loss of SASRec is nan in epoch 1; lower lr"):
        fit(model, SPLIT, epochs=1, progress=False, **AS_BUILT)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="use one of bce, bpr, ssm"):
        fit(small(), SPLIT, loss="mse")


@pytest.mark.parametrize("option", ["epochs", "patience", "every", "batch_size", "negatives"])
@pytest.mark.parametrize("number", [0, -3, 1.5])
def test_a_number_out_of_range_is_one_sentence(option, number):
    with pytest.raises(ValueError, match=f"^{option} is {number}; use a whole number"):
        fit(small(), SPLIT, **{option: number}, progress=False)


def test_gradients_are_clipped():
    model = small()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    fit(model, SPLIT, epochs=1, clip=0.0, patience=1, progress=False, **AS_BUILT)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
