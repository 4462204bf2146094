"""open_llm, and the two back ends without a network: a local causal LM and the replay of a recording."""

import hashlib
from pathlib import Path

from reprolib.llm.task import BackEnd, LLMError, Refused, Reply, Task, choice_json

SPECS = '"embedded", "openai:MODEL@BASE_URL", "hf:MODEL" or "replay:FILE.jsonl"'


def open_llm(
    spec: str = "embedded",
    *,
    workers: int | None = None,
    timeout: float = 120.0,
    retries: int = 5,
    backoff: float = 1.0,
    key_env: str = "OPENAI_API_KEY",
    cache: str | Path | None = None,
) -> BackEnd:
    """The back end that `spec` names; nothing is loaded or connected before the first question.

    "embedded"               the deterministic annotator (MiniLM reads the text; not a language model)
    "openai:MODEL@BASE_URL"  any OpenAI-compatible server; without @BASE_URL the provider's own; key from `key_env`
    "hf:MODEL"               a Hugging Face causal LM in this process, by name or folder
    "replay:FILE.jsonl"      answers of a recording; an input that is not in it is an error
    workers  calls at a time to a server, 16 by default
    cache    folder of its answers and vectors, by default that of `reprolib.cache.cache_dir`; who asks the back end
             reads and writes there
    For a user's own server: timeout, retries, backoff, key_env (seconds until a call is given up, repeats of a call,
    seconds before the first repeat, name of the environment variable that holds the key).
    Raises ValueError for a spec that names no back end, DataError for a recording that cannot be read.
    """
    kind, _, rest = spec.partition(":")
    if kind == "embedded" and not rest:
        from reprolib.llm.embedded import Annotator

        return Annotator(cache=cache)
    if kind == "openai" and rest:
        from reprolib.llm.openai_api import OpenAIChat

        model, at, address = rest.partition("@http")
        base_url = None
        if at:
            base_url = f"http{address}"
        return OpenAIChat(
            model,
            base_url,
            key_env=key_env,
            workers=workers or 16,
            timeout=timeout,
            retries=retries,
            backoff=backoff,
            cache=cache,
        )
    if kind == "hf" and rest:
        return LocalModel(rest, cache)
    if kind == "replay" and rest:
        return Replay(rest, cache)
    raise ValueError(f"{spec.split('@')[0]!r} names no language model; right would be {SPECS}")


class LocalModel:
    """A Hugging Face causal LM in this process; greedy at temperature 0, else seeded by the conversation."""

    name = "hf"
    reads_input = False
    recorded = None
    workers = 1
    retries = 0
    backoff = 0.0

    def __init__(self, model: str, cache: str | Path | None = None):
        self.folder = model
        self.cache = cache
        self._loaded = None
        path = Path(model)
        self.model = model
        if path.is_dir():
            self.model = f"{path.name}-{_weights_digest(path)}"

    @property
    def label(self) -> str:
        """Name for tables and manifests."""
        return f"hf:{self.model}"

    def send(self, messages: list[dict], task: Task) -> Reply:
        """One generated answer, or the log-probabilities of the task's choices."""
        import torch

        model, tokenizer = self._load()
        prompt = _chat_text(tokenizer, messages)
        ids = tokenizer(
            prompt, return_tensors="pt", add_special_tokens=not tokenizer.chat_template
        )["input_ids"]
        room = getattr(model.config, "max_position_embeddings", None) or 10**9
        wanted = 1 if task.choices else task.max_tokens
        if ids.shape[1] + wanted > room:
            raise Refused(
                f"the prompt has {ids.shape[1]} tokens and {wanted} are to be written; {self.label} holds {room}"
            )
        with torch.inference_mode():
            if task.choices:
                return _likelihood(model, tokenizer, ids.to(model.device), task.choices)
            return _generate(model, tokenizer, ids.to(model.device), task, prompt)

    def _load(self):
        if self._loaded is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer

            try:
                tokenizer = AutoTokenizer.from_pretrained(self.folder)
                model = AutoModelForCausalLM.from_pretrained(self.folder, dtype="auto").eval()
            except (OSError, ValueError) as error:
                first = str(error).strip().splitlines()[0]
                raise LLMError(
                    f"hf:{self.folder} cannot be loaded ({first}); right would be a folder or a name "
                    "that this machine can reach"
                ) from None
            self._loaded = model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer
        return self._loaded


class Replay:
    """Answers of a recording, under the name of the model that gave them. It never asks anybody."""

    workers = 1
    retries = 0
    backoff = 0.0

    def __init__(self, path: str | Path, cache: str | Path | None = None):
        from reprolib.llm.exchange import read_recording

        self.path = Path(path)
        self.cache = cache
        self.name, self.model, self._answers = read_recording(self.path)
        self.reads_input = self.name == "embedded-minilm"

    @property
    def label(self) -> str:
        """Name for tables and manifests: whose answers these are."""
        if self.reads_input:
            return f"replay of {self.name}"
        return f"replay of {self.name}:{self.model}"

    def recorded(self, keys: list[bytes]) -> dict[bytes, str]:
        """The recorded answers among the digests."""
        return {key: self._answers[key] for key in keys if key in self._answers}


def _chat_text(tokenizer, messages: list[dict]) -> str:
    if tokenizer.chat_template:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return "\n\n".join(m["content"] for m in messages) + "\n\nAnswer:\n"


def _generate(model, tokenizer, ids, task: Task, prompt: str) -> Reply:
    import torch

    sampling = {"do_sample": False}
    if task.temperature > 0:
        sampling = {"do_sample": True, "temperature": task.temperature, "top_k": 0}
    with torch.random.fork_rng():
        torch.manual_seed(int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big"))
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=task.max_tokens,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0,
            **sampling,
        )
    new = out[0, ids.shape[1] :]
    return Reply(
        tokenizer.decode(new, skip_special_tokens=True),
        ids.shape[1],
        len(new),
        len(new) >= task.max_tokens,
    )


def _likelihood(model, tokenizer, ids, choices: tuple[str, ...]) -> Reply:
    """Exact: the next-token probabilities of every token that spells a choice."""
    share = model(ids).logits[0, -1].float().softmax(-1)
    wanted = {c.strip().casefold() for c in choices}
    words = tokenizer.batch_decode([[i] for i in range(len(share))])
    mass: dict[str, float] = {}
    for word, p in zip(words, share.tolist(), strict=True):
        if word.strip().casefold() in wanted:
            mass[word] = mass.get(word, 0.0) + p
    return Reply(choice_json(choices, mass), ids.shape[1], 1)


def _weights_digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with open(path, "rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()[:12]
