"""Shelf ``metrics``."""

from pipeline.core.registry import Registry

metrics = Registry("metric")

from pipeline.metrics import classification, custom, over_targets, regression, text, translation  # noqa: E402,F401
