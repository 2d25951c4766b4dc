"""Shelf ``sources``: where a competition's raw files come from."""

from pipeline.core.registry import Registry

sources = Registry("source")

from pipeline.sources import files, kaggle, package, parallel, synthetic, texts  # noqa: E402,F401
