"""The only thing saved: from raw rows to predictions in the target's own units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.files import read_json, write_json
from pipeline.core.registry import build_settings, settings_dict
from pipeline.core.types import Encoder, FeatureSet, Fitted, Learner, Model, Schema, Spec, Target, Task
from pipeline.training import learners
from pipeline.training.ensembles import Ensemble

if TYPE_CHECKING:
    import pandas as pd


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

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Typed rows to predictions (see ``Task.predictions``), in the rows' order."""
        raw = self.fitted.raw(self.encoder.encode(rows))
        return self.task.predictions(raw, self.target, self.spec)

    def save(self, folder: Path) -> None:
        """Write ``predictor.json``, ``encoder.json`` and the learner's ``weights/``; no pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "encoder.json", self.encoder.state())
        parts = {
            "schema": self.schema.to_json(),
            "features": settings_dict(self.features),
            "task": settings_dict(self.task),
            "target": self.target.state(),
            "model": settings_dict(self.model),
            "fit": settings_dict(self.learner),
            "spec": self.spec.to_json(),
        }
        write_json(folder / "predictor.json", parts)
        weights = folder / "weights"
        weights.mkdir(exist_ok=True)
        self.fitted.save(weights)

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        from pipeline.features import features
        from pipeline.models import models
        from pipeline.tasks import tasks

        parts = read_json(folder / "predictor.json")
        where = f"{folder.name}/predictor.json"
        schema = Schema.from_json(parts["schema"])
        feature_set = features.build(parts["features"], where)
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
            fitted=learner.load(folder / "weights", model, task, spec),
        )


class FinalModel:
    """One or more predictors of one model (seeds or folds), averaged evenly."""

    def __init__(self, members: list[Predictor]):
        self.members = members

    @classmethod
    def load(cls, folder: Path) -> FinalModel:
        facts = read_json(folder / "final.json")
        return cls([Predictor.load(folder / "members" / str(i)) for i in range(facts["members"])])

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        first = self.members[0]
        frames = [member.predict(rows) for member in self.members]
        if len(frames) == 1:
            return frames[0]
        return first.task.average(frames, [1 / len(frames)] * len(frames), first.target)


@dataclass(frozen=True)
class Answering:
    """Final models and what makes one answer of them: raw rows to what the submission holds."""

    models: Mapping[str, FinalModel]
    ensemble: Ensemble
    submission: Mapping[str, Any]
    """How the submission is laid out, see ``submission_layout``."""

    def predict(self, raw: pd.DataFrame, where: str = "rows") -> tuple[pd.DataFrame, pd.DataFrame]:
        """Typed rows and their blended predictions."""
        from pipeline.features.schema import apply

        first = next(iter(self.models.values())).members[0]
        rows = apply(first.schema, raw, training=False, where=where)
        frames = {name: self.models[name].predict(rows) for name in self.ensemble.models}
        return rows, self.ensemble.predict(frames, first.task, first.target)

    def answer(self, raw: pd.DataFrame, where: str = "rows") -> pd.DataFrame:
        """Raw rows to the submission's columns, one row a row, in their order."""
        from pipeline.training.submissions import format_predictions

        rows, predictions = self.predict(raw, where)
        schema = next(iter(self.models.values())).members[0].schema
        ids = rows[schema.id] if schema.id else None
        return format_predictions(predictions, ids, self.submission, schema.classes)


def load_answering(folder: Path) -> Answering:
    """Load a folder with ``answer.json``: ensemble, submission format, a folder for each model."""
    facts = read_json(Path(folder) / "answer.json")
    models = {name: FinalModel.load(Path(folder) / place) for name, place in facts["models"].items()}
    return Answering(models, Ensemble.from_json(facts), facts["submission"])
