"""Causal language models for rerankers: a Hugging Face model by name with LoRA, or a small one built here.

The small model stands in where no weights can be had: a word-level vocabulary and a two-layer Llama-style network, both
made from the task's own texts. It knows nothing else of the world, and every table that uses it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reprolib.training.loop import pick_device, seed_everything

SMALL = "small"
WORDS = 6000  # of the small vocabulary
MAX_TOKENS = 512  # of a prompt with its answer
SMALL_RATE = 3e-3  # learning rate of the small model
TRAINED_TOGETHER = 32  # rows of a training batch
SCORED_TOGETHER = 64  # prompts of a batch that is scored
PROMPT = 0.2  # weight of the prompt's tokens in the loss: with 0 the small model learns no words, with 1 little else


@dataclass
class CausalLM:
    """A causal LM with its tokenizer; `model(input_ids, attention_mask).logits` as in transformers."""

    name: str
    model: torch.nn.Module
    tokenizer: object
    max_tokens: int

    @property
    def label(self) -> str:
        """Name for tables, which says of the small model that it was made here."""
        if self.name == SMALL:
            return "small causal LM (built and trained here)"
        return f"{self.name} with LoRA"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def memory_gb(self) -> float:
        """Size of weights and buffers in GB."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e9

    def ids(self, text: str, most: int) -> list[int]:
        """Token ids of a continuation, the last `most` of them."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"][-most:]

    def prompt_ids(self, text: str, most: int) -> list[int]:
        """Token ids of a beginning: the model's own first token, where it has one, and the last others that fit."""
        first = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        return first + self.ids(text, most - len(first))


def open_lm(
    name: str,
    texts: Sequence[str],
    *,
    rank: int = 8,
    alpha: int = 16,
    seed: int = 0,
) -> CausalLM:
    """A causal LM ready to be trained.

    name   "small": built from `texts`, all weights trained; else a Hugging Face name or folder, with LoRA (rank, alpha,
           dropout 0.05, on query and value projections) as in TALLRec
    Raises ValueError where a named model cannot be loaded.
    """
    seed_everything(seed)
    if name == SMALL:
        return _small(texts)
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f'causal LM {name!r} cannot be loaded ({first}); right would be "small", a folder or a '
            "Hugging Face name that this machine can reach"
        ) from None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    modules = {module.rsplit(".", 1)[-1] for module, _ in model.named_modules()}
    targets = sorted(modules & {"q_proj", "v_proj", "c_attn", "query_key_value"}) or "all-linear"
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.05, target_modules=targets, task_type="CAUSAL_LM"
    )
    tuned = get_peft_model(model, config).to(pick_device("auto"))
    return CausalLM(name, tuned, tokenizer, MAX_TOKENS)


def _small(texts: Sequence[str]) -> CausalLM:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[END]"]
    raw.train_from_iterator(
        texts,
        trainers.WordLevelTrainer(vocab_size=WORDS, special_tokens=special, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]"
    )
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    model = LlamaForCausalLM(config).to(pick_device("auto"))
    return CausalLM(SMALL, model, tokenizer, MAX_TOKENS)


def train_lm(
    lm: CausalLM,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    epochs: int = 3,
    lr: float = SMALL_RATE,
    seed: int = 0,
    progress: bool = True,
) -> list[float]:
    """Next-token loss of answer and end, plus PROMPT times that of the prompt (TALLRec trains on the whole text too).

    Returns the mean loss per epoch. Raises ValueError where it is not finite.
    """
    from tqdm.auto import tqdm

    rng = seed_everything(seed)
    rows = [_row(lm, prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    trainable = [p for p in lm.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=lr)
    steps = epochs * -(-len(rows) // TRAINED_TOGETHER)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, lr, total_steps=steps + 1, pct_start=0.1
    )
    means = []
    bar = tqdm(total=steps, desc=f"train {lm.name}", disable=not progress, leave=False)
    lm.model.train()
    for _ in range(epochs):
        losses = []
        for batch in _alike([len(ids) for ids, _ in rows], rng):
            loss = _loss(lm, [rows[i] for i in batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainable, 1.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
            bar.update()
        means.append(float(np.mean(losses)))
    bar.close()
    lm.model.eval()
    if not np.isfinite(means[-1]):
        raise ValueError(f"the loss of the causal LM {lm.name} is {means[-1]}; lower lr")
    return means


def _row(lm: CausalLM, prompt: str, answer: str) -> tuple[list[int], int]:
    """(token ids, where the answer begins); the prompt loses its beginning where both do not fit."""
    end = [*lm.ids(answer, lm.max_tokens // 2), lm.tokenizer.eos_token_id]
    start = lm.prompt_ids(prompt, lm.max_tokens - len(end))
    return start + end, len(start)


def _alike(lengths: list[int], rng: np.random.Generator) -> list[np.ndarray]:
    """Batches of rows of like length, in random order; which rows share a batch is random among equals."""
    order = rng.permutation(len(lengths))
    order = order[np.argsort(np.asarray(lengths)[order] // 8, kind="stable")]
    starts = range(0, len(order), TRAINED_TOGETHER)
    batches = [order[start : start + TRAINED_TOGETHER] for start in starts]
    return [batches[i] for i in rng.permutation(len(batches))]


def _loss(lm: CausalLM, rows: list[tuple[list[int], int]]) -> Tensor:
    ids, mask = _padded([ids for ids, _ in rows], lm.tokenizer.pad_token_id, lm.device)
    logits = lm.model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    each = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(
        len(rows), -1
    )
    place = torch.arange(1, ids.shape[1], device=lm.device)
    start = torch.tensor([start for _, start in rows], device=lm.device)[:, None]
    real = mask[:, 1:].bool()
    is_answer = real & (place >= start)
    is_prompt = real & (place < start)
    loss = each[is_answer].mean()
    if is_prompt.any():
        loss = loss + PROMPT * each[is_prompt].mean()
    return loss


def _padded(rows: list[list[int]], pad: int, device) -> tuple[Tensor, Tensor]:
    """Right-padded ids and mask; padding is later than every token that is read, so causality hides it."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    real = (
        torch.arange(longest, device=device)
        < torch.tensor([len(row) for row in rows], device=device)[:, None]
    )
    return ids, real.long()


@torch.inference_mode()
def choice_scores(
    lm: CausalLM,
    prompts: Sequence[str],
    choices: Sequence[str],
    *,
    progress: bool = True,
) -> np.ndarray:
    """(n, choices) log-probabilities of the choices as the next token, among the choices alone.

    Tokens that differ from a choice in case or spaces only count for it. Raises ValueError where one has no token.
    """
    from tqdm.auto import tqdm

    spelled = choice_tokens(lm, choices)
    rows = [lm.prompt_ids(prompt, lm.max_tokens) for prompt in prompts]
    order = np.argsort([len(row) for row in rows], kind="stable")
    scores = np.empty((len(rows), len(choices)), np.float32)
    lm.model.eval()
    starts = range(0, len(rows), SCORED_TOGETHER)
    is_quiet = not progress or len(starts) < 20
    for start in tqdm(starts, f"score {lm.name}", disable=is_quiet, leave=False):
        part = order[start : start + SCORED_TOGETHER]
        ids, mask = _padded([rows[i] for i in part], lm.tokenizer.pad_token_id, lm.device)
        last = mask.sum(1) - 1
        logits = _at(lm, ids, mask, last)
        mass = torch.stack([logits[:, tokens].logsumexp(1) for tokens in spelled], 1)
        scores[part] = mass.log_softmax(1).cpu().numpy()
    return scores


def _at(lm: CausalLM, ids: Tensor, mask: Tensor, last: Tensor) -> Tensor:
    """(B, vocabulary) logits at one position per row; the output layer sees no other position."""
    core = lm.model.get_base_model() if hasattr(lm.model, "get_base_model") else lm.model
    states = core.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    return core.get_output_embeddings()(
        states[torch.arange(len(ids), device=ids.device), last]
    ).float()


def choice_tokens(lm: CausalLM, choices: Sequence[str]) -> list[list[int]]:
    """The token ids that spell each choice, whatever their case and leading space."""
    size = lm.model.get_input_embeddings().weight.shape[0]
    words = lm.tokenizer.batch_decode([[i] for i in range(min(size, len(lm.tokenizer)))])
    plain = [word.strip().casefold() for word in words]
    spelled = [
        [i for i, word in enumerate(plain) if word == choice.casefold()] for choice in choices
    ]
    for choice, tokens in zip(choices, spelled, strict=True):
        if not tokens:
            raise ValueError(
                f"the causal LM {lm.name} has no single token for {choice!r}; choose another word"
            )
    return spelled


@torch.inference_mode()
def generate(
    lm: CausalLM,
    prompts: Sequence[str],
    *,
    most: int = 48,
    batch_size: int = 16,
    progress: bool = True,
) -> list[str]:
    """Greedy continuations of at most `most` tokens, without the end token."""
    from tqdm.auto import tqdm

    rows = [lm.prompt_ids(prompt, lm.max_tokens - most) for prompt in prompts]
    order = np.argsort([len(row) for row in rows], kind="stable")
    texts = [""] * len(rows)
    lm.model.eval()
    starts = range(0, len(rows), batch_size)
    is_quiet = not progress or len(starts) < 5
    for start in tqdm(starts, f"generate {lm.name}", disable=is_quiet, leave=False):
        part = order[start : start + batch_size]
        longest = max(len(rows[i]) for i in part)
        pad = lm.tokenizer.pad_token_id
        padded = []
        mask = []
        for i in part:
            missing = longest - len(rows[i])
            padded.append([pad] * missing + rows[i])
            mask.append([0] * missing + [1] * len(rows[i]))
        ids = torch.tensor(padded, device=lm.device)
        real = torch.tensor(mask, device=lm.device)
        out = lm.model.generate(
            input_ids=ids,
            attention_mask=real,
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=pad,
            eos_token_id=lm.tokenizer.eos_token_id,
        )
        written = lm.tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)
        for row, text in zip(part, written, strict=True):
            texts[row] = text.strip()
    return texts
