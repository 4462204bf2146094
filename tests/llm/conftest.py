"""Fixtures: a running fake server, a client for it, a tiny random language model."""

import threading

import pytest
from openai_server import Server

from reprolib.llm.openai_api import OpenAIChat


@pytest.fixture
def serve():
    """serve(behave) -> a running Server; all are closed at the end."""
    running = []

    def start(behave):
        server = Server(behave)
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def client(tmp_path):
    """client(server) -> a back end that waits milliseconds where a real one waits seconds, its cache in tmp_path."""
    usual = {"workers": 4, "timeout": 0.5, "retries": 3, "backoff": 0.01, "cache": tmp_path}

    def make(server, **settings):
        return OpenAIChat("m", server.url, **(usual | settings))

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a randomly initialised causal LM with a byte-level tokenizer and a chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model") / "tiny"
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
