"""Shelf ``tokenizers``."""

from pipeline.core.registry import Registry

tokenizers = Registry("tokenizer")

from pipeline.text.tokenizers import bytes, characters, pieces, pretrained, sentencepiece, white_space, words  # noqa: E402,F401
