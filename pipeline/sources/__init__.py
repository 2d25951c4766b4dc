"""Shelf ``sources``."""

from pipeline.core.registry import Registry

sources = Registry("source")
