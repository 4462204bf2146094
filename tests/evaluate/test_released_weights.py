"""A checkpoint that others released, ranked by our code on the same file, must give the digits that they printed.

ICLRec (WWW 2022) on S3-Rec's Beauty; its network is written out here as its weights' names tell it, so that nothing of
our own models takes part. Full ranking over all items; input: everything before the last event.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reprolib.data.datasets import load_split
from reprolib.evaluate.metrics import value
from reprolib.evaluate.ranking import full_rank

PRINTED = {
    "HR@5": 0.0500,
    "NDCG@5": 0.0326,
    "HR@10": 0.0744,
    "NDCG@10": 0.0403,
    "HR@20": 0.1058,
    "NDCG@20": 0.0483,
}
LENGTH, HEADS = 50, 2
FILE = Path(os.environ.get("REPROLIB_DATA", ""), "checkpoints-iclrec", "ICLRec-Beauty-1.pt")


def norm(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)


def linear(x, weights, name):
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def states(items, weights):
    """(B, d): the last state of left-padded item ids (B, LENGTH)."""
    x = F.embedding(items, weights["item_embeddings.weight"])
    x = norm(x + weights["position_embeddings.weight"], weights, "LayerNorm")
    causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    hidden = -10_000.0 * ~(causal & (items > 0)[:, None, :])
    layer = "item_encoder.layer.0"
    parts = [
        linear(x, weights, f"{layer}.attention.{part}")
        .view(*items.shape, HEADS, -1)
        .transpose(1, 2)
        for part in ("query", "key", "value")
    ]
    read = F.scaled_dot_product_attention(*parts, attn_mask=hidden[:, None].float())
    read = linear(read.transpose(1, 2).flatten(2), weights, f"{layer}.attention.dense")
    x = norm(read + x, weights, f"{layer}.attention.LayerNorm")
    inner = F.gelu(linear(x, weights, f"{layer}.intermediate.dense_1"))
    inner = linear(inner, weights, f"{layer}.intermediate.dense_2")
    return norm(inner + x, weights, f"{layer}.intermediate.LayerNorm")[:, -1]


@pytest.mark.skipif(not FILE.is_file(), reason="the checkpoint is not below $REPROLIB_DATA")
def test_released_weights_give_the_printed_digits():
    weights = torch.load(FILE, weights_only=True, map_location="cpu")
    split = load_split("s3rec-beauty", "beauty")
    users, held_out = split.held_out("test")
    raw_id = np.concatenate([[0], split.items.astype(np.int64)])  # theirs by our code
    history = np.zeros((len(users), LENGTH), np.int64)
    for row, (user, event) in enumerate(zip(users, held_out, strict=True)):
        before = raw_id[split.item[split.ptr[user] : event]][-LENGTH:]
        history[row, LENGTH - len(before) :] = before
    with torch.no_grad():
        parts = torch.from_numpy(history).split(2048)
        queries = torch.cat([states(part, weights) for part in parts])
    items = weights["item_embeddings.weight"][torch.from_numpy(raw_id)]
    _, pointers, seen = split.seen("test")
    ranks = full_rank(
        queries,
        items,
        torch.from_numpy(split.item[held_out]),
        torch.from_numpy(pointers),
        torch.from_numpy(seen),
        *split.candidates,
    )
    ours = {metric: round(float(value(ranks.numpy(), metric).mean()), 4) for metric in PRINTED}
    assert ours == PRINTED
