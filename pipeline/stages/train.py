"""Rows and encoders -> ``cv/``: out-of-fold predictions, fold scores, epoch curves."""

from __future__ import annotations

import shutil
import sys

from pipeline.core.config import Config
from pipeline.core.files import whole_folder, write_json
from pipeline.core.paths import ModelPaths
from pipeline.stages.budget import LEFT_OUT, OutOfTime, stopped_after, training_seconds
from pipeline.stages.progress import progress_callback
from pipeline.stages.records import fold_record, model_record, out_of_fold_figures
from pipeline.training.cross_validation import CrossValidation, cross_validate
from pipeline.training.data import TrainingData
from pipeline.training.executors import make_executor
from pipeline.training.identity import identity


def run(config: Config, name: str) -> None:
    paths = ModelPaths(config.model(name).competition, name)
    try:
        with stopped_after(training_seconds(config, config.model(name))):
            _train(config, name, paths)
    except OutOfTime as reason:
        with whole_folder(paths.cv) as folder:
            write_json(folder / LEFT_OUT, {"why": str(reason)})
        print(f"{name}: left out: {reason}", file=sys.stderr)  # noqa: T201


def _train(config: Config, name: str, paths: ModelPaths) -> None:
    model = config.model(name)
    data = TrainingData(config.competition(model.competition), model.features)
    checkpoint = paths.checkpoints / "cv" / identity(data, model, config.execution.threads)
    with model_record(data, model, "train") as record, whole_folder(paths.cv) as folder:
        results = []
        members = folder / "members" if model.retrain.mode == "folds" else None
        with progress_callback(len(data.folds), f"{name}: folds") as advance:
            executor = make_executor(config.execution)
            for result in cross_validate(
                data, model, executor, checkpoint=checkpoint, predictors=members, progress=advance
            ):
                results.append(result)
                fold_record(record, result)
        done = CrossValidation(results)
        done.write(folder)
        record.metrics({"train": done.scores()["train"], "valid": done.score, "spread": done.scores()["spread"]})
        out_of_fold_figures(record, data, done)
    # These folds stay: a change of the search alone runs this stage again, and finds them done.
    for stale in checkpoint.parent.glob("*"):  # which may not be there: short folds are not kept
        if stale != checkpoint:
            shutil.rmtree(stale, ignore_errors=True)
