"""The only thing saved: from raw rows to predictions in the target's own units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.carried import carry
from pipeline.core.files import read_json, write_json
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.types import Encoder, FeatureSet, Fitted, Learner, Model, Schema, Spec, Target, Task
from pipeline.training import learners
from pipeline.training.weighting.label_shift import corrected

if TYPE_CHECKING:
    import pandas as pd

CARRIED = "features"
"""Folder of the files that a feature set reads besides the rows."""
WEIGHTS = "weights"
"""Folder of what the learner writes."""
PARTS = "predictor.json"


@dataclass(frozen=True)
class Predictor:
    """A fitted model with all it needs to answer raw rows."""

    schema: Schema
    features: FeatureSet
    encoder: Encoder
    task: Task
    target: Target
    model: Model
    learner: Learner
    spec: Spec
    fitted: Fitted
    ratios: tuple[float, ...] | None = None
    """By which the classes' probabilities are multiplied (``fit.weights``); None: by none."""

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Typed rows to predictions (see ``Task.predictions``), in the rows' order."""
        import numpy as np

        raw = self.fitted.raw(self.encoder.encode(rows))
        predictions = self.task.predictions(raw, self.target, self.spec)
        return corrected(predictions, None if self.ratios is None else np.asarray(self.ratios))

    def save(self, folder: Path) -> None:
        """Write ``predictor.json``, ``encoder.json``, the learner's ``weights/`` and what the feature set carries
        along (``features/``); no pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in self.features.files.items():
            carry(file, folder / CARRIED / name)
        write_json(folder / "encoder.json", self.encoder.state())
        parts = {
            "schema": self.schema.to_json(),
            "features": settings_dict(self.features),
            "task": settings_dict(self.task),
            "target": self.target.state(),
            "model": settings_dict(self.model),
            "fit": settings_dict(self.learner),
            "spec": self.spec.to_json(),
            **({} if self.ratios is None else {"ratios": list(self.ratios)}),
        }
        write_json(folder / PARTS, parts)
        weights = folder / WEIGHTS
        weights.mkdir(exist_ok=True)
        self.fitted.save(weights)

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        from pipeline.features import features
        from pipeline.models import models
        from pipeline.tasks import tasks

        parts = read_json(folder / PARTS)
        where = f"{folder.name}/{PARTS}"
        schema = Schema.from_json(parts["schema"])
        feature_set = features.build(parts["features"], where)
        if (folder / CARRIED).is_dir():
            feature_set = feature_set.reading(folder / CARRIED)
        task = tasks.build(parts["task"], where)
        model = models.build(parts["model"], where)
        fit = {key: value for key, value in parts["fit"].items() if key != "name"}
        learner = build_settings(learners.get(model.learner), fit, where)
        spec = Spec.from_json(parts["spec"])
        return cls(
            schema=schema,
            features=feature_set,
            encoder=feature_set.restore(read_json(folder / "encoder.json"), schema),
            task=task,
            target=task.restore_target(parts["target"], schema),
            model=model,
            learner=learner,
            spec=spec,
            fitted=learner.load(folder / WEIGHTS, model, task, spec),
            ratios=tuple(parts["ratios"]) if "ratios" in parts else None,
        )


def answer_by(folder: Path, task: Task) -> None:
    """Let a saved predictor answer as ``task``, its own but for settings that shape answers only, has it."""
    write_json(folder / PARTS, {**read_json(folder / PARTS), "task": settings_dict(task)})
