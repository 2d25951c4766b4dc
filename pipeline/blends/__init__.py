"""Shelf ``blends``."""

from pipeline.core.registry import Registry

blends = Registry("blend")

from pipeline.blends import best, consensus, ensemble, equal, greedy, mixture, non_negative, stacked  # noqa: E402,F401
