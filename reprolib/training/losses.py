"""Losses that several models share: ranking losses over labels, contrastive losses between vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from reprolib.training.batches import Batch


def binary_loss(state: Tensor, table: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """-log σ(s⁺) - log σ(-s⁻), mean over labels (Kang and McAuley 2018, equation 7).

    state (N, d), table (n_items + 1, d), positive and negative (N,) item codes; s = state · item
    """
    of_positive, of_negative = _scores(state, table, positive, negative)
    return F.softplus(-of_positive).mean() + F.softplus(of_negative).mean()


def pairwise_loss(state: Tensor, table: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """-log σ(s⁺ - s⁻), mean over labels (Rendle et al. 2009; SemaCDR equation 13); arguments as in `binary_loss`."""
    of_positive, of_negative = _scores(state, table, positive, negative)
    return F.softplus(of_negative - of_positive).mean()


def softmax_loss(state: Tensor, table: Tensor, positive: Tensor, shared: Tensor) -> Tensor:
    """Cross-entropy of each label against the same negatives, mean over labels; accidental hits are masked out.

    state (N, d), table (n_items + 1, d), positive (N,) and shared (n,) item codes
    """
    vectors = F.embedding(torch.cat([positive, shared]), table)
    own = (state * vectors[: len(positive)]).sum(-1, keepdim=True)
    other = state @ vectors[len(positive) :].T
    other = other.masked_fill(positive[:, None] == shared, -torch.inf)
    return (torch.logsumexp(torch.cat([own, other], 1), 1) - own[:, 0]).mean()


def _scores(state: Tensor, table: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """(2, N) scores of the positives and of the negatives."""
    both = F.embedding(torch.cat([positive, negative]), table).view(2, *state.shape)
    return (both * state).sum(-1)


def pairwise_loss_of_scores(scores: Tensor) -> Tensor:
    """-log σ(s⁺ - s⁻), mean over rows and negatives; scores (B, 1 + n), the positive's first."""
    return F.softplus(scores[:, 1:] - scores[:, :1]).mean()


def binary_loss_of_scores(scores: Tensor) -> Tensor:
    """-log σ(s⁺) - Σ log σ(-s⁻), sum over the n negatives, mean over rows; scores (B, 1 + n), the positive's first."""
    return F.softplus(-scores[:, 0]).mean() + F.softplus(scores[:, 1:]).sum(1).mean()


def softmax_loss_of_scores(scores: Tensor) -> Tensor:
    """-log softmax of the positive, mean over rows; scores (B, 1 + n), the positive's first.

    Divided by a temperature this is InfoNCE with n negatives.
    """
    return (torch.logsumexp(scores, 1) - scores[:, 0]).mean()


def source_loss(state: Tensor, batch: Batch, table: Tensor, items: tuple[int, int]) -> Tensor:
    """`binary_loss` of the next source item after each source position; 0 where no row has two source events.

    A mean over the batch's source labels, times `batch.source_label_weight`.
    state (B, S, d)  states of the source sequence
    items            first and last code of the items that negatives are drawn from, uniformly
    """
    label = batch.src[:, 1:]
    where = (label > 0).flatten().nonzero()[:, 0]
    if not len(where):
        return state.sum() * 0
    positive = label.flatten()[where]
    negative = torch.randint(items[0], items[1] + 1, positive.shape, device=positive.device)
    states = state[:, :-1].flatten(0, 1)[where]
    return batch.source_label_weight * binary_loss(states, table, positive, negative)


def info_nce(query: Tensor, key: Tensor, tau: float) -> Tensor:
    """-log softmax of each query's own key among all keys, by cosine / τ, mean over the N rows; both (N, d)."""
    logits = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).T / tau
    return F.cross_entropy(logits, torch.arange(len(query), device=query.device))


def nt_xent(one: Tensor, two: Tensor, tau: float) -> Tensor:
    """SimCLR's loss: of the 2N - 1 other vectors find the second view, by dot product / τ; both views (N, d)."""
    both = torch.cat([one, two])
    logits = (both @ both.T / tau).fill_diagonal_(-torch.inf)
    second_view = torch.arange(len(both), device=both.device).roll(len(one))
    return F.cross_entropy(logits, second_view)
