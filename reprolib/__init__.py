"""Five persona and LLM papers on cross-domain recommendation, reproduced under one protocol."""

__version__ = "0.1.0"
