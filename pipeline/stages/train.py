"""Rows and encoders -> ``cv/``: out-of-fold predictions, fold scores, epoch curves."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.core.config import Config, ModelConfig
from pipeline.core.files import digest, digest_files, whole_folder
from pipeline.core.paths import ModelPaths
from pipeline.core.registry import settings_dict
from pipeline.stages.progress import progress_bar
from pipeline.stages.records import fold_record, model_record, out_of_fold_figures
from pipeline.training.cross_validation import CrossValidation, cross_validate
from pipeline.training.data import TrainingData
from pipeline.training.executors import make_executor


def run(config: Config, name: str) -> None:
    model = config.model(name)
    paths = ModelPaths(model.competition, name)
    data = TrainingData(config.competition(model.competition), model.features)
    checkpoint = paths.checkpoints / _identity(data, model)
    with model_record(data, model, "train") as record, whole_folder(paths.cv) as folder:
        results = []
        members = folder / "members" if model.retrain.mode == "folds" else None
        folds = cross_validate(data, model, make_executor(config.execution), checkpoint=checkpoint, predictors=members)
        for result in progress_bar(folds, len(data.folds), f"{name}: folds"):
            results.append(result)
            fold_record(record, result)
        done = CrossValidation(results)
        done.write(folder)
        record.metrics({"train": done.scores()["train"], "valid": done.score, "spread": done.scores()["spread"]})
        out_of_fold_figures(record, data, done)
    # These folds stay: a change of the search alone runs this stage again, and finds them done.
    for stale in paths.checkpoints.iterdir():
        if stale != checkpoint:
            shutil.rmtree(stale, ignore_errors=True)


def _identity(data: TrainingData, model: ModelConfig) -> str:
    """A checkpoint serves only the same data, settings and code."""
    code = digest_files(*sorted(Path(__file__).parents[1].glob("*/*.py")))
    parts = [settings_dict(part) for part in (model.model, model.fit, data.competition.task, data.competition.metric)]
    return digest(data.facts["digest"], model.features, parts, model.seed, model.retrain.mode, code)
