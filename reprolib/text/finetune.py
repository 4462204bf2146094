"""Contrastive fine-tuning of a sentence encoder with LoRA (PERSONA4REC, equations 6 to 9).

The true batch is kept whole whatever its size: vectors are computed in chunks without gradients, the loss is taken over
the whole batch, and each chunk is then run again with the gradient of its vectors (gradient caching, Gao et al. 2021).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from reprolib.text.encoders import base_model, forward

ATTENTION = (
    "query",
    "value",
    "q_proj",
    "v_proj",
)  # names of the query and value projections in the BERT and Llama families


def finetune(
    queries: Sequence[Sequence[str]],
    positives: Sequence[str],
    out: str | Path,
    *,
    encoder: str = "minilm",
    groups: Sequence[Sequence[str]] = (),
    decay: float = 1.0,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.05,
    epochs: int = 1,
    batch_size: int = 72,
    lr: float = 1e-5,
    temperature: float = 0.05,
    max_tokens: int = 256,
    chunk: int = 64,
    seed: int = 0,
    device: str | None = None,
) -> list[float]:
    """Train a LoRA adapter so that each query is nearest to its positive; return the loss of every step.

    queries    n lists of texts, most recent first; a query's vector is their mean weighted by decay ** position
    positives  n texts; the other positives of a batch are the negatives
    groups     n lists of keys (user, item): a negative that shares a key with the query is left out of the loss
    out        folder for adapter_model.safetensors and training.json; finished training is read back, not repeated
    Raises ValueError when lengths differ or nothing can be contrasted. Deterministic on CPU.
    """
    import torch

    _refuse(queries, positives, groups, batch_size)
    out = Path(out)
    settings = {
        "encoder": encoder, "decay": decay, "rank": rank, "alpha": alpha, "dropout": dropout, "epochs": epochs,
        "batch_size": batch_size, "lr": lr, "temperature": temperature, "max_tokens": max_tokens, "seed": seed,
        "data": _digest(queries, positives, groups),
    }  # fmt: skip
    done = _finished(out, settings)
    if done is not None:
        return done
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, tokenizer, about = _with_lora(encoder, rank, alpha, dropout)
        model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).train()
        losses = _train(
            model, tokenizer, about["pooling"], queries, positives, groups, settings, chunk
        )
    model.peft_config["default"].base_model_name_or_path = about[
        "name"
    ]  # never the folder of this machine
    model.save_pretrained(out, safe_serialization=True, save_embedding_layers=False)
    (out / "README.md").unlink(
        missing_ok=True
    )  # a form to fill in, with this machine's folders in its header
    (out / "training.json").write_text(
        json.dumps({"settings": settings, "losses": losses}), "utf-8"
    )
    return losses


def _train(
    model, tokenizer, pooling, queries, positives, groups, settings: dict, chunk: int
) -> list[float]:
    """AdamW with 10 % linear warm-up and linear decay; the loss of every step."""
    import torch

    optimiser = torch.optim.AdamW(
        (p for p in model.parameters() if p.requires_grad), lr=settings["lr"]
    )
    batches = _batches(len(positives), settings["batch_size"], settings["epochs"], settings["seed"])
    warm = max(1, len(batches) // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warm, (len(batches) - step) / max(1, len(batches) - warm)),
    )
    losses = []
    for batch in tqdm(batches, "fine-tune", leave=False):
        optimiser.zero_grad()
        texts, weights = _flatten([queries[i] for i in batch], settings["decay"])
        texts += [positives[i] for i in batch]
        allowed = _allowed([groups[i] for i in batch]) if len(groups) else None
        limits = settings["temperature"], settings["max_tokens"], chunk
        losses.append(_step(model, tokenizer, texts, weights, allowed, pooling, *limits))
        optimiser.step()
        schedule.step()
    return losses


def contrastive_loss(queries, positives, temperature: float, allowed=None):
    """InfoNCE over the batch: (B, d) unit queries and positives; `allowed` (B, B) marks the negatives that count."""
    import torch

    logits = queries @ positives.T / temperature
    if allowed is not None:
        keep = allowed | torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(~keep, -torch.inf)
    return torch.nn.functional.cross_entropy(
        logits, torch.arange(len(logits), device=logits.device)
    )


def _step(
    model, tokenizer, texts, weights, allowed, pooling, temperature, max_tokens, chunk
) -> float:
    """Accumulate the gradient of one whole batch; return its loss."""
    import torch

    device = next(model.parameters()).device
    parts, states, vectors = [texts[i : i + chunk] for i in range(0, len(texts), chunk)], [], []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state(device))  # so that dropout is the same in the second pass
            vectors.append(forward(model, tokenizer, part, pooling, max_tokens))
    leaf = torch.cat(vectors).detach().requires_grad_()
    weights = torch.as_tensor(weights, device=device)
    n = len(weights)
    pooled = torch.nn.functional.normalize(weights @ leaf[: weights.shape[1]], dim=-1)
    allowed = None if allowed is None else torch.as_tensor(allowed, device=device)
    loss = contrastive_loss(pooled, leaf[-n:], temperature, allowed)
    loss.backward()
    after = _random_state(device)
    for part, state, gradient in zip(parts, states, leaf.grad.split(chunk), strict=True):
        _set_random_state(state, device)
        forward(model, tokenizer, part, pooling, max_tokens).backward(gradient)
    _set_random_state(after, device)
    return float(loss.detach())


def _random_state(device):
    import torch

    return torch.get_rng_state(), torch.cuda.get_rng_state(
        device
    ) if device.type == "cuda" else None


def _set_random_state(state, device) -> None:
    import torch

    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)


def _with_lora(encoder: str, rank: int, alpha: int, dropout: float):
    from peft import LoraConfig, get_peft_model

    model, tokenizer, about = base_model(encoder)
    targets = sorted(
        {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()} & set(ATTENTION)
    )
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets or "all-linear"
    )
    return get_peft_model(model, config), tokenizer, about


def _flatten(queries: list[Sequence[str]], decay: float) -> tuple[list[str], np.ndarray]:
    """All texts in one list, and (B, texts) weights that sum to 1 in each row."""
    texts = [text for query in queries for text in query]
    weights, start = np.zeros((len(queries), len(texts)), np.float32), 0
    for row, query in enumerate(queries):
        share = decay ** np.arange(len(query))
        weights[row, start : start + len(query)] = share / share.sum()
        start += len(query)
    return texts, weights


def _allowed(groups: list[Sequence[str]]) -> np.ndarray:
    keys = [set(group) for group in groups]
    return np.array([[not (a & b) for b in keys] for a in keys])


def _batches(n: int, size: int, epochs: int, seed: int) -> list[np.ndarray]:
    """Shuffled batches of every epoch; a last batch of one has no negative and is left out."""
    random = np.random.default_rng(seed)
    orders = [random.permutation(n) for _ in range(epochs)]
    return [
        order[i : i + size]
        for order in orders
        for i in range(0, n, size)
        if len(order[i : i + size]) > 1
    ]


def _refuse(queries, positives, groups, batch_size) -> None:
    if len(queries) != len(positives) or (len(groups) and len(groups) != len(positives)):
        raise ValueError(
            f"finetune: {len(queries)} queries, {len(positives)} positives, {len(groups)} groups; "
            "every query needs one positive (and one group, where groups are given)"
        )
    if len(positives) < 2 or batch_size < 2:
        raise ValueError(
            "finetune: a contrast needs at least two pairs and a batch size of at least 2"
        )
    empty = [i for i, query in enumerate(queries) if isinstance(query, str) or not len(query)]
    if empty:
        raise ValueError(f"finetune: query {empty[0]} is not a list with at least one text")


def _digest(queries, positives, groups) -> str:
    whole = json.dumps(
        [[list(q) for q in queries], list(positives), [list(map(str, g)) for g in groups]]
    )
    return hashlib.sha256(whole.encode()).hexdigest()


def _finished(out: Path, settings: dict) -> list[float] | None:
    path = out / "training.json"
    if not path.is_file() or not (out / "adapter_model.safetensors").is_file():
        return None
    saved = json.loads(path.read_text("utf-8"))
    return saved["losses"] if saved["settings"] == settings else None
