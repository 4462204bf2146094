import numpy as np
import pytest
import torch
from test_split import ROWS, names, random_corpus
from toy import corpus

from reprolib.data.split import leave_one_out, temporal_cut
from reprolib.training.batches import Batches, Negatives

PARTS = ("tgt", "src", "mix")


def everything(split, stage, length=50):
    batches = Batches(split, stage, length, PARTS)
    return batches.batch(torch.arange(len(batches)))


def test_a_test_row_by_hand():
    s = leave_one_out(corpus(ROWS), "T", "S")
    b = everything(s, "test")
    assert names(s, b.tgt[0].tolist()) == ["t1", "t2", "t3"]
    assert names(s, b.pos[0].tolist()) == ["t2", "t3", "t4"]
    assert names(s, b.src[0].tolist()) == ["s1", "s2", "s3"]
    assert b.src_ptr[0].tolist() == [0, 1, 2]
    assert names(s, b.mix[0].tolist()) == ["s1", "t1", "t2", "s2", "t3", "s3"]
    assert b.mix_ptr[0].tolist() == [1, 3, 5]
    assert b.mix_dom[0].tolist() == [0, 1, 1, 0, 1, 0]
    assert b.tgt_age[0].tolist() == [2, 1, 0]


def test_rows_are_padded_on_the_right_and_cut_to_the_latest_events():
    s = leave_one_out(corpus([*ROWS, *[("w", f"t{i}", "T", i) for i in range(1, 9)]]), "T", "S")
    b = everything(s, "test", length=4)
    assert b.tgt.shape == (2, 4)
    assert b.tgt[0].tolist()[3] == 0
    assert names(s, b.tgt[1].tolist()) == ["t4", "t5", "t6", "t7"]
    assert b.real.sum(1).tolist() == b.n.tolist() == [3, 4]


@pytest.mark.parametrize("stage", ["train", "valid", "test"])
@pytest.mark.parametrize("length", [3, 50])
@pytest.mark.parametrize("days", [False, True])
def test_nothing_in_a_batch_is_later_than_what_it_predicts(stage, length, days):
    for seed in range(4):
        for make in (leave_one_out, temporal_cut):
            split = make(random_corpus(seed, days), "T", "S")
            b = everything(split, stage, length)
            for r in range(len(b.user)):
                first = split.ptr[b.user[r]]
                end = {"train": split.train_end, "valid": split.valid + 1, "test": split.test + 1}[
                    stage
                ][b.user[r]]
                labels = np.arange(end - int(b.n[r]), end)
                assert split.item[labels].tolist() == b.pos[r, : b.n[r]].tolist()
                for t, label in enumerate(labels):
                    moment = split.time[label]
                    read = b.src_t[r, : b.src_ptr[r, t] + 1]
                    assert (read < moment).all()
                    merged, domain = (
                        b.mix_t[r, : b.mix_ptr[r, t] + 1],
                        b.mix_dom[r, : b.mix_ptr[r, t] + 1],
                    )
                    assert (merged[domain == 0] < moment).all()
                    assert (merged[domain == 1] <= moment).all()
                    assert (domain == 1).sum() <= label - first


def test_pointers_reach_everything_that_may_be_read():
    split = leave_one_out(random_corpus(5), "T", "S")
    b = everything(split, "test")
    for r, user in enumerate(b.user.tolist()):
        moment = split.time[split.test[user]]
        source = split.src_time[split.src_ptr[user] : split.src_ptr[user + 1]]
        assert b.src_ptr[r, b.n[r] - 1] + 1 == (source < moment).sum()
        assert b.mix_ptr[r, b.n[r] - 1] + 1 == (source < moment).sum() + b.n[r]


def test_an_epoch_meets_every_row_once_in_batches_of_like_length():
    batches = Batches(leave_one_out(random_corpus(6), "T", "S"), "train", 50)
    rows = list(batches.epoch(8, np.random.default_rng(0)))
    assert sorted(torch.cat(rows).tolist()) == list(range(len(batches)))
    spread = [int(batches.n[r].max() - batches.n[r].min()) for r in rows]
    assert np.mean(spread) < 2


def test_negatives_are_target_items_the_user_has_no_training_event_with():
    split = leave_one_out(random_corpus(7), "T", "S")
    users = np.repeat(np.arange(split.n_users), 50)
    drawn = Negatives(split).draw(users, np.random.default_rng(0))
    trained = set(zip(*(x.tolist() for x in split.train_pairs()), strict=True))
    assert not trained & set(zip(users.tolist(), drawn.tolist(), strict=True))
    first, last = split.candidates
    assert set(drawn.tolist()) == set(range(first, last + 1))


def test_a_user_who_met_every_item_is_an_error():
    with pytest.raises(ValueError, match="no negative is left"):
        Negatives(leave_one_out(corpus([("u", "a", "T", 1), ("u", "b", "T", 2)]), "T"))
