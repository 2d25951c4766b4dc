"""Shelf ``datasets``: data that pip packages carry, each made into a Kaggle-shaped competition."""

from pipeline.core.registry import Registry

datasets = Registry("dataset")

from pipeline.sources.datasets import (  # noqa: E402,F401
    adult,
    ames,
    digits,
    emoji_languages,
    french_interface,
    pydoc_topics,
    titanic,
)
