"""Sentence encoders: texts in, unit vectors out. What a vector means for a model is decided elsewhere."""

from reprolib.text.encode import encode
from reprolib.text.encoders import MINILM, Encoder, load_encoder, tfidf_encoder
from reprolib.text.finetune import finetune

__all__ = ["MINILM", "Encoder", "encode", "finetune", "load_encoder", "tfidf_encoder"]
