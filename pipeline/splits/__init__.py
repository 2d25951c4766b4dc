"""Shelf ``splits``."""

from pipeline.core.registry import Registry

splits = Registry("split")

from pipeline.splits import column, contiguous, grouped, holdout, shuffled, stratified, time_ordered  # noqa: E402,F401
