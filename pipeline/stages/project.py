"""params.yaml and every shelf -> the project's configuration."""

from __future__ import annotations

from pipeline.core.config import Config, Shelves, load_config


def shelves() -> Shelves:
    """All registries, filled. Parts import their heavy libraries only when used."""
    from pipeline.blends import blends
    from pipeline.features import features
    from pipeline.metrics import metrics
    from pipeline.models import models
    from pipeline.sources import sources
    from pipeline.splits import splits
    from pipeline.tasks import tasks
    from pipeline.training import learners

    return Shelves(sources, splits, features, tasks, metrics, models, learners, blends)


def load_project() -> Config:
    """The configuration of the project at hand, checked whole before any stage works."""
    return load_config(shelves())
