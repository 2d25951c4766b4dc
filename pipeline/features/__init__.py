"""Shelf ``features``."""

from pipeline.core.registry import Registry

features = Registry("feature_set")

from pipeline.features import characters, image, learned, pairs, pretrained, tabular, tfidf, tokens  # noqa: E402,F401
