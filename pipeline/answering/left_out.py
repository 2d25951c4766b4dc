"""Models that have no predictions, and why."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.config import Config, ModelConfig
from pipeline.core.files import read_json
from pipeline.core.paths import ModelPaths

LEFT_OUT = "left_out.json"


def left_out(folder: Path) -> str | None:
    """Why a stage's output says that the model was left out, None where it was not."""
    file = folder / LEFT_OUT
    return str(read_json(file)["why"]) if file.exists() else None


def kept_models(config: Config, competition: str) -> list[ModelConfig]:
    """The competition's models that were not left out."""
    return [
        model for model in config.models_of(competition) if left_out(ModelPaths(competition, model.name).cv) is None
    ]
