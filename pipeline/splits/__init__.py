"""Shelf ``splits``."""

from pipeline.core.registry import Registry

splits = Registry("split")
