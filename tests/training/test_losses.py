"""Every loss against a value worked out by hand on two rows."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import tensor

from reprolib.training import losses

# item codes 1, 2, 3 (0 is padding): scores of row 0 are 1, 2, 0, of row 1 they are -2, 0, 3
TABLE = tensor([[9.0, 9.0, 9.0], [1.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
STATE = tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
POSITIVE, NEGATIVE = tensor([2, 3]), tensor([1, 1])


def minus_log_sigmoid(x):
    return -math.log(1 / (1 + math.exp(-x)))


def minus_log_softmax(own, *others):
    return -math.log(math.exp(own) / sum(math.exp(x) for x in (own, *others)))


def test_binary_loss_by_hand():
    rows = [
        minus_log_sigmoid(2) + minus_log_sigmoid(-1),  # s⁺ = 2, s⁻ = 1
        minus_log_sigmoid(3) + minus_log_sigmoid(2),  # s⁺ = 3, s⁻ = -2
    ]
    value = losses.binary_loss(STATE, TABLE, POSITIVE, NEGATIVE)
    assert value.item() == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_pairwise_loss_by_hand():
    rows = [minus_log_sigmoid(2 - 1), minus_log_sigmoid(3 - -2)]
    value = losses.pairwise_loss(STATE, TABLE, POSITIVE, NEGATIVE)
    assert value.item() == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_pairwise_loss_falls_when_the_positive_rises():
    better, worse = (
        losses.pairwise_loss(scale * STATE, TABLE, POSITIVE, NEGATIVE) for scale in (2, 1)
    )
    assert better < worse


def test_softmax_loss_by_hand_without_accidental_hits():
    rows = [
        minus_log_softmax(2, 1, 0),  # negatives 1 and 3
        minus_log_softmax(3, -2),  # negative 3 is the positive itself: left out
    ]
    value = losses.softmax_loss(STATE, TABLE, POSITIVE, tensor([1, 3]))
    assert value.item() == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_source_loss_predicts_the_next_item_and_not_the_one_just_read():
    """Two rows read (2, 3) and (3, 1, 2); item 1 is every negative."""
    batch = SimpleNamespace(src=tensor([[2, 3, 0], [3, 1, 2]]), source_label_weight=1.0)
    state = torch.stack(
        [
            tensor([[0.0, 1.0, 0.0], [5.0, 5.0, 5.0], [7.0, 7.0, 7.0]]),  # predicts item 3
            tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [5.0, 5.0, 5.0]]),  # predict items 1 and 2
        ]
    )
    labels = [
        minus_log_sigmoid(3) + minus_log_sigmoid(2),  # item 3 has 3, the negative -2
        minus_log_sigmoid(-2) + minus_log_sigmoid(2),  # item 1 has -2, the negative -2
        minus_log_sigmoid(2) + minus_log_sigmoid(-1),  # item 2 has 2, the negative 1
    ]
    value = losses.source_loss(state, batch, TABLE, (1, 1))
    assert value.item() == pytest.approx(sum(labels) / 3, rel=1e-6)
    batch.source_label_weight = 0.5
    weighted = losses.source_loss(state, batch, TABLE, (1, 1))
    assert weighted.item() == pytest.approx(sum(labels) / 6, rel=1e-6)


def test_source_loss_without_a_label_is_zero_and_has_a_gradient():
    batch = SimpleNamespace(src=tensor([[2], [0]]))
    state = torch.ones(2, 1, 3, requires_grad=True)
    value = losses.source_loss(state, batch, TABLE, (1, 1))
    value.backward()
    assert value.item() == 0
    assert not state.grad.any()


def test_info_nce_by_hand():
    query = tensor([[2.0, 0.0], [0.0, 5.0]])  # unit vectors (1, 0) and (0, 1)
    key = tensor([[3.0, 0.0], [3.0, 4.0]])  # unit vectors (1, 0) and (0.6, 0.8)
    rows = [minus_log_softmax(1 / 0.5, 0.6 / 0.5), minus_log_softmax(0.8 / 0.5, 0.0)]
    assert losses.info_nce(query, key, 0.5).item() == pytest.approx(sum(rows) / 2, rel=1e-6)


def test_nt_xent_by_hand():
    one = tensor([[1.0, 0.0], [0.0, 1.0]])
    two = tensor([[0.0, 1.0], [0.5, 0.5]])
    # each vector finds its other view (first number) among the other three, by dot product / 2
    rows = [
        minus_log_softmax(0 / 2, 0 / 2, 0.5 / 2),  # (1, 0): other view 0; 0 and .5
        minus_log_softmax(0.5 / 2, 0 / 2, 1 / 2),  # (0, 1): other view .5; 0 and 1
        minus_log_softmax(0 / 2, 1 / 2, 0.5 / 2),  # (0, 1) of two: other view 0; 1 and .5
        minus_log_softmax(0.5 / 2, 0.5 / 2, 0.5 / 2),  # (.5, .5): other view .5; .5 and .5
    ]
    assert losses.nt_xent(one, two, 2.0).item() == pytest.approx(sum(rows) / 4, rel=1e-6)
