"""Shelf ``blends``."""

from pipeline.core.registry import Registry

blends = Registry("blend")
