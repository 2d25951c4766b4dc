"""Shelf ``features``."""

from pipeline.core.registry import Registry

features = Registry("feature_set")
