"""Shelf ``models``."""

from pipeline.core.registry import Registry

models = Registry("model")
