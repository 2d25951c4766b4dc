"""Shelf ``features``."""

from pipeline.core.registry import Registry

features = Registry("feature_set")

from pipeline.features import image, learned, next_tokens, pairs, pretrained, pretrained_tokens, tabular, tfidf, tokens  # noqa: E402,F401
