"""What a fitted model hangs on: it serves only the same data, settings and code."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.core.code import code_digest, code_files
from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.files import digest
from pipeline.core.registry import settings_dict
from pipeline.training.data import TrainingData


def identity(data: TrainingData, model: ModelConfig, threads: int) -> str:
    """Digest of all that a cross-validation of ``model`` on ``data`` hangs on, 16 hexadecimal digits.

    threads: of each job (``execution.threads``), which sums of floats follow.
    """
    task, fits = data.competition.task, fit_identity(data, model, threads)
    if task.in_training() == task:
        return fits
    return digest(fits, settings_dict(task), _code(tuple(code_files((), [task]))))


def fit_identity(data: TrainingData, model: ModelConfig, threads: int) -> str:
    """The same of its fits alone, whatever the task has for settings that shape answers only."""
    competition = data.competition
    parts = fitted_parts(competition, model)
    settings = [settings_dict(part) for part in parts]
    code = _code(tuple(code_files(("core", "training"), parts)))
    own = model.fit.threads or threads
    return digest(data.digest, model.features, settings, model.seed, model.retrain.mode, own, code)


def fitted_parts(competition: CompetitionConfig, model: ModelConfig) -> list[Any]:
    """The parts that a fit of the model runs through, its own first."""
    features = competition.features[model.features]
    return [model.model, model.fit, features, competition.task.in_training(), competition.metric, competition.split]


@cache
def _code(files: Iterable[Path]) -> str:
    return code_digest(files)
