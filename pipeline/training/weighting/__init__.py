"""Shelf ``weightings``: how much training rows count so that they stand for the test rows, the ``weights`` of a model's
``fit``."""

from pipeline.core.registry import Registry

weightings = Registry("weighting")

from pipeline.training.weighting import density_ratio, label_shift  # noqa: E402,F401
