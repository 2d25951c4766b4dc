"""Shelf ``cleaners``: the steps that clean texts."""

from pipeline.core.registry import Registry

cleaners = Registry("cleaning step")

from pipeline.text.cleaning import addresses, characters, letters, markup, mojibake, spaces  # noqa: E402,F401
