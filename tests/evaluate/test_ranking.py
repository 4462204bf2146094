import math

import numpy as np
import pytest
import torch

from reprolib.evaluate.ranking import (
    catalogue_coverage,
    full_rank,
    rank_by_scores,
    sample_negatives,
    sampled_rank,
    top_items,
)


def one_user(scores, target, seen=()):
    """Rank of `target` when item i + 1 has scores[i]."""
    items = torch.tensor([0.0, *scores])[:, None]
    ptr = torch.tensor([0, len(seen)])
    return full_rank(
        torch.ones(1, 1), items, torch.tensor([target]), ptr, torch.tensor(seen, dtype=torch.long)
    ).item()


def problem(n_users, n_items, seed=0, integers=True):
    """Random integer vectors (their products are exact in float32) with random histories that may repeat an item."""
    g = torch.Generator().manual_seed(seed)
    low = torch.randint(-3, 4, (n_users + n_items + 1, 16), generator=g).float()
    vectors = low if integers else torch.randn(n_users + n_items + 1, 16, generator=g)
    target = torch.randint(1, n_items + 1, (n_users,), generator=g)
    length = torch.randint(0, 9, (n_users,), generator=g)
    ptr = torch.cat([torch.zeros(1, dtype=torch.long), length.cumsum(0)])
    seen = torch.randint(1, n_items + 1, (int(ptr[-1]),), generator=g)
    return vectors[:n_users], vectors[n_users:], target, ptr, seen


def by_hand(queries, items, target, ptr, seen, first, last):
    """The definition, one user at a time, in float64."""
    ranks = []
    for u, goal in enumerate(target.tolist()):
        left_out = set(seen[ptr[u] : ptr[u + 1]].tolist())
        score = (items.double() @ queries[u].double()).tolist()
        others = [c for c in range(first, last + 1) if c not in left_out and c != goal]
        ranks.append(
            1
            + sum(score[c] > score[goal] for c in others)
            + sum(score[c] == score[goal] for c in others) / 2
        )
    return ranks


def test_the_best_item_has_rank_one_and_the_worst_the_last():
    assert one_user([3.0, 2.0, 1.0], target=1) == 1
    assert one_user([3.0, 2.0, 1.0], target=3) == 3


def test_a_model_that_scores_everything_alike_earns_the_middle_rank():
    assert one_user([0.0] * 101, target=7) == 51.0


def test_seen_items_do_not_count_even_when_listed_twice_and_the_target_is_never_left_out():
    assert one_user([9.0, 8.0, 7.0], target=3, seen=(1, 1, 3)) == 2


@pytest.mark.parametrize("n_users", [40, 700, 1500])
@pytest.mark.parametrize("candidates", [(1, 1300), (200, 905)])
def test_ranks_equal_the_definition_on_both_paths(n_users, candidates):
    queries, items, target, ptr, seen = problem(n_users, 1300)
    target = target.clamp(*candidates)
    got = full_rank(queries, items, target, ptr, seen, *candidates)
    assert got[:60].tolist() == by_hand(queries[:60], items, target[:60], ptr, seen, *candidates)
    slow = rank_by_scores(
        lambda a, b: queries[a:b] @ items.T, n_users, target, ptr, seen, *candidates
    )
    assert got.tolist() == slow.tolist()


def test_the_order_of_columns_and_users_cannot_move_a_rank():
    queries, items, target, ptr, seen = problem(600, 1100, integers=False)
    shuffle = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(1100)])
    new_code = torch.argsort(shuffle)
    moved = full_rank(queries, items[shuffle], new_code[target], ptr, new_code[seen])
    assert moved.tolist() == full_rank(queries, items, target, ptr, seen).tolist()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("n_users", [2, 400])
def test_nan_and_infinity_are_refused(bad, n_users):
    queries, items, target, ptr, seen = problem(n_users, 50)
    items[3, 0] = bad
    with pytest.raises(ValueError, match="NaN"):
        full_rank(queries, items, target, ptr, seen)


def test_a_target_outside_the_candidates_is_refused():
    with pytest.raises(ValueError, match="outside the candidates"):
        full_rank(
            torch.ones(1, 1),
            torch.ones(5, 1),
            torch.tensor([4]),
            torch.tensor([0, 0]),
            torch.tensor([]),
            1,
            3,
        )


def test_the_callers_tensors_are_not_changed():
    queries, items, target, ptr, seen = problem(300, 600)
    copies = [x.clone() for x in (queries, items, target, ptr, seen)]
    full_rank(queries, items, target, ptr, seen)
    for before, after in zip(copies, (queries, items, target, ptr, seen), strict=True):
        assert torch.equal(before, after)


def test_sampled_negatives_are_new_distinct_and_inside_the_candidates():
    _, _, target, ptr, seen = problem(50, 40)
    target = target.clamp(5, 40)
    drawn = sample_negatives(target, ptr, seen, 5, 40, m=20, seed=1)
    for u in range(50):
        row = set(drawn[u].tolist())
        assert len(row) == 20
        assert min(row) >= 5
        assert not row & (set(seen[ptr[u] : ptr[u + 1]].tolist()) | {int(target[u])})


def test_too_few_negatives_are_refused():
    with pytest.raises(ValueError, match="smaller m"):
        sample_negatives(
            torch.tensor([1]), torch.tensor([0, 1]), torch.tensor([2]), 1, 5, m=4, seed=0
        )


def test_sampled_rank_counts_only_its_own_negatives():
    items = torch.tensor([0.0, 5.0, 4.0, 3.0, 3.0])[:, None]
    rank = sampled_rank(torch.ones(1, 1), items, torch.tensor([3]), torch.tensor([[2, 4]]))
    assert rank.tolist() == [2.5]


def test_top_items_are_the_best_unseen_candidates_and_give_the_coverage():
    items = torch.tensor([9.0, 1.0, 5.0, 4.0, 3.0])[:, None]
    top = top_items(torch.ones(2, 1), items, torch.tensor([0, 1, 1]), torch.tensor([2]), k=2)
    assert top.tolist() == [[3, 4], [2, 3]]
    assert catalogue_coverage(top, 4) == 0.75


def test_a_large_problem_with_ties_is_exact():
    queries, items, target, ptr, seen = problem(2100, 600, seed=3)
    items[1:] = items[1]  # every item scores alike
    free = 600 - np.array(
        [
            len(set(seen[a:b].tolist()) - {int(t)})
            for a, b, t in zip(ptr, ptr[1:], target, strict=False)
        ]
    )
    assert full_rank(queries, items, target, ptr, seen).tolist() == ((free + 1) / 2).tolist()
