import pytest
import torch
from toy import planted

from reprolib.baselines.sasrec import SASRec
from reprolib.data.split import leave_one_out
from reprolib.evaluate.metrics import value
from reprolib.evaluate.table import rank_table
from reprolib.training.batches import Batches
from reprolib.training.loop import encode, fit

SPLIT = leave_one_out(planted(n_users=120), "ring")


def small():
    torch.manual_seed(0)
    return SASRec(SPLIT.n_items, dim=16, length=12)


def test_the_model_keeps_the_weights_of_its_best_validation_epoch():
    result = fit(small(), SPLIT, epochs=12, patience=12, lr=3e-2, progress=False)
    best = max(result.history, key=lambda row: row["NDCG@10"])
    assert result.best_epoch == best["epoch"]
    ranks = rank_table(
        *encode(result.model, Batches(SPLIT, "valid", 12)), SPLIT, system="s", stage="valid"
    )
    assert value(ranks["rank"], "NDCG@10").mean() == pytest.approx(best["NDCG@10"], abs=1e-9)


def test_training_stops_when_validation_no_longer_rises():
    result = fit(small(), SPLIT, epochs=500, patience=3, lr=1e-2, progress=False)
    assert result.history[-1]["epoch"] == result.best_epoch + 3


def test_an_interrupt_keeps_the_best_state(monkeypatch):
    from reprolib.training import loop as train

    model, seen, real = small(), [], train._epoch

    def interrupted(*args):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(1)
        return real(*args)

    monkeypatch.setattr(train, "_epoch", interrupted)
    result = fit(model, SPLIT, epochs=9, progress=False)
    assert result.interrupted
    assert len(result.history) == 3
    ranks = rank_table(
        *encode(result.model, Batches(SPLIT, "valid", 12)), SPLIT, system="s", stage="valid"
    )
    assert value(ranks["rank"], "NDCG@10").mean() == pytest.approx(
        max(r["NDCG@10"] for r in result.history), abs=1e-9
    )


def test_a_loss_that_explodes_is_said():
    model = small()
    with torch.no_grad():
        model.item.weight[3] = float("nan")
    with pytest.raises(ValueError, match=r"loss of SASRec is nan in epoch 1; lower lr"):
        fit(model, SPLIT, epochs=1, progress=False)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="use one of bce, bpr, ssm"):
        fit(small(), SPLIT, loss="mse")


def test_gradients_are_clipped():
    model = small()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    fit(model, SPLIT, epochs=1, clip=0.0, patience=1, progress=False)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
