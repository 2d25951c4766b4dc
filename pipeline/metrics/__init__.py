"""Shelf ``metrics``."""

from pipeline.core.registry import Registry

metrics = Registry("metric")
