"""Softmax over all items of a domain: loss and gradient in one pass, a block of labels at a time."""

import torch
from torch import Tensor

LOGITS = 2**21  # logits that are held at a time, where these are at least FEWEST_ROWS labels
FEWEST_ROWS = 64  # fewer would spend more on adding up the items' gradient than on products
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def full_softmax_loss(
    state: Tensor, table: Tensor, positive: Tensor, first: int, last: int, precision: str = "bf16"
) -> Tensor:
    """Cross-entropy of each label against the items first..last, mean over labels.

    state (N, d), table (n_items + 1, d) float32; positive (N,) item codes inside first..last
    precision  of the products with the items: "fp32" is exact; "bf16" keeps three digits of a logit and of a
               gradient's entry, sums in float32 and is several times faster where the processor multiplies bf16
    Logits exist for some labels at a time only: the gradient is computed together with the loss.
    """
    items = table[first : last + 1]
    return _FullSoftmax.apply(state, items, positive - first, DTYPES[precision])


class _FullSoftmax(torch.autograd.Function):
    """Loss of state (N, d) against items (n, d) with positives (N,), places in items."""

    @staticmethod
    def forward(ctx, state: Tensor, items: Tensor, positive: Tensor, dtype: torch.dtype) -> Tensor:
        low_state = state.detach().to(dtype)
        low_items = items.detach().to(dtype)
        state_gradient = torch.empty_like(state)
        items_gradient = torch.zeros_like(items)
        total = state.new_zeros(())
        rows = max(FEWEST_ROWS, LOGITS // len(items))
        for start in range(0, len(state), rows):
            block = slice(start, start + rows)
            block_state = low_state[block]
            share = torch.softmax(block_state @ low_items.T, 1)  # (rows, n)
            goal = positive[block, None]
            own_share = share.gather(1, goal)
            total -= own_share.float().clamp(min=1e-38).log().sum()
            share.scatter_(1, goal, own_share - 1)  # now the gradient of the logits
            state_gradient[block] = share @ low_items
            items_gradient += share.T @ block_state
        ctx.save_for_backward(state_gradient, items_gradient)
        return total / len(state)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        state_gradient, items_gradient = ctx.saved_tensors
        scale = gradient / len(state_gradient)
        return scale * state_gradient, scale * items_gradient, None, None
