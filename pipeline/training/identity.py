"""What a checkpoint hangs on: it serves only the same data, settings and code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipeline.core.config import ModelConfig
from pipeline.core.files import digest, digest_files
from pipeline.core.registry import settings_dict
from pipeline.training.data import TrainingData


def identity(data: TrainingData, model: ModelConfig, threads: int) -> str:
    """Digest of all that a fit of ``model`` on ``data`` hangs on, 16 hexadecimal digits.

    threads: of each job (``execution.threads``), which sums of floats follow.
    """
    competition = data.competition
    parts = [model.model, model.fit, competition.features[model.features], competition.task, competition.metric]
    settings = [settings_dict(part) for part in parts]
    return digest(
        data.facts["digest"], model.features, settings, model.seed, model.retrain.mode, threads, _digest_of_code()
    )


@cache
def _digest_of_code() -> str:
    """Of every module of Podium: which of them a fit runs through is not worth finding out."""
    return digest_files(*sorted(Path(__file__).parents[1].rglob("*.py")))
