"""params.yaml and every shelf -> the project's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.config import CompetitionConfig, Config, ModelConfig, Shelves, build_model, load_config
from pipeline.core.errors import Faults


def shelves() -> Shelves:
    """All registries, filled. Parts import their heavy libraries only when used."""
    from pipeline.blends import blends
    from pipeline.decoding import searches
    from pipeline.diagnosis.findings import findings
    from pipeline.features import features
    from pipeline.features.learned import through
    from pipeline.metrics import metrics
    from pipeline.models import models
    from pipeline.sources import sources
    from pipeline.splits import splits
    from pipeline.tasks import tasks
    from pipeline.text.cleaning.declared import build_clean
    from pipeline.training import learners
    from pipeline.training.weighting import weightings
    from pipeline.tuning.space import check_tune

    registries = (sources, splits, features, tasks, metrics, models, learners, blends, searches, findings, weightings)
    return Shelves(*registries, learned=through, clean=build_clean, check_tune=check_tune)


def load_project() -> Config:
    """The configuration of the project at hand, checked whole before any stage works. Raises Faults."""
    from pipeline.tuning.space import check_halving

    config = load_config(shelves())
    # Whether a fit stacks hangs on the task, which the check of a search by itself does not know.
    tasks = {model.name: config.competition(model.competition).task for model in config.models.values()}
    checked = (check_halving(f"models.{name}", config.model(name), task) for name, task in tasks.items())
    if faults := [fault for found in checked for fault in found]:
        raise Faults(faults)
    return config


def rebuild_model(competition: CompetitionConfig, name: str, raw: Mapping[str, Any]) -> ModelConfig:
    """A model from changed settings (a trial's, a tuned one's); raises Faults."""
    return build_model(name, raw, {competition.name: competition}, shelves())
