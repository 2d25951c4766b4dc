"""``cv/`` as trial 0, a search space -> ``tuned/``: the best trial's settings, scores, predictions."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pipeline.core.config import CompetitionConfig, Config, ModelConfig, Tune
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.paths import ModelPaths
from pipeline.core.types import Metric
from pipeline.metrics import metrics
from pipeline.stages.budget import LEFT_OUT, left_out, searching_minutes
from pipeline.stages.progress import progress_callback
from pipeline.stages.project import rebuild_model
from pipeline.stages.records import fold_record, model_record, out_of_fold_figures, trial_record
from pipeline.training.data import TrainingData
from pipeline.training.executors import make_executor

if TYPE_CHECKING:
    from pipeline.tuning.trial import Trial

BATCH = 16
"""Trials that a study of stacked models asks at once."""

PASSED_ON = ("predictions.parquet", "scores.json", "curves.json", "importance.json", "members", LEFT_OUT)


def run(config: Config, name: str) -> None:
    model = config.model(name)
    competition = config.competition(model.competition)
    paths = ModelPaths(competition.name, name)
    at_once = batch_size(model.tune, model, competition) if model.tune else 1
    minutes = searching_minutes(config, model, at_once)
    with whole_folder(paths.tuned) as folder:
        if left_out(paths.cv) or model.tune is None or (minutes is not None and minutes <= 0):
            _pass_on(paths.cv, folder)
            write_json(folder / "settings.json", model.raw)
        else:
            _search(config, competition, within(model, minutes), paths, folder)
    shutil.rmtree(_trials(paths), ignore_errors=True)


def within(model: ModelConfig, minutes: float | None) -> ModelConfig:
    """The model with a search that takes no longer."""
    if minutes is None or model.tune is None:
        return model
    return replace(model, tune=replace(model.tune, minutes=min(minutes, model.tune.minutes or minutes)))


def _trials(paths: ModelPaths) -> Path:
    return paths.checkpoints / "trials"


def _pass_on(source: Path, folder: Path) -> None:
    """What was found before is the best: copy it."""
    for item in PASSED_ON:
        if (source / item).is_dir():
            shutil.copytree(source / item, folder / item)
        elif (source / item).exists():
            shutil.copyfile(source / item, folder / item)


def _search(
    config: Config, competition: CompetitionConfig, model: ModelConfig, paths: ModelPaths, folder: Path
) -> None:
    from pipeline.tuning.objective import Objective, TrialFolders
    from pipeline.tuning.space import apply, declared, parse_space
    from pipeline.tuning.study import Study

    tune = model.tune
    if tune is None:
        raise ValueError("nothing to tune")
    where = f"models.{model.name}.tune.space"

    build = partial(rebuild_model, competition, model.name)
    executor = make_executor(config.execution, beside=tune.workers)
    metric = competition.metric if tune.metric is None else metrics.build(tune.metric, f"models.{model.name}.tune")
    objective = Objective(competition, model, build, executor, config.execution.threads, _trials(paths), metric)
    # Several workers encode the folds for themselves, and this process none.
    data = objective.data(model.features) if tune.workers == 1 else TrainingData(competition, model.features)
    start = declared(parse_space(tune.space, where), model, build, where)
    fold_scores = _scores(paths.cv, data, metric)
    trials = TrialFolders(_trials(paths), fmean(fold_scores), metric.higher_is_better)
    study = Study(
        name=f"{model.name}-{digest(data.facts['digest'], {k: v for k, v in model.raw.items() if k != 'tune'})}",
        path=paths.study,
        space=tune.space,
        declared=start,
        score=fmean(fold_scores),
        scores=fold_scores,
        higher_is_better=metric.higher_is_better,
        first=tune.first,
        trials=tune.trials,
        minutes=tune.minutes,
        pruner=tune.pruner,
        workers=tune.workers,
        batch=batch_size(tune, model, competition),
        seed=tune.seed,
    )
    with model_record(data, model, "tune") as record:
        advance = objective.progress = progress_callback(tune.trials, f"{model.name}: trials")

        def on_trial(trial: Trial) -> None:
            advance(trial.number + 1)
            trials.told(trial)
            trial_record(record, trial.number, trial.overrides, trial.value, trial.scores, tune.metric or "valid")

        trial_record(record, 0, start, fmean(fold_scores), fold_scores, tune.metric or "valid")
        with advance:
            result = study.run(objective, on_trial)
        settings = apply(model.raw, result.best.overrides)
        write_json(folder / "trials.json", result.to_json())
        write_json(folder / "settings.json", settings)
        if result.best.number == 0:
            _pass_on(paths.cv, folder)
        else:
            with progress_callback(len(data.folds), f"{model.name}: best trial") as heard:
                done = objective.again(build(settings), result.best.number, folder, heard)
            done.write(folder)
            for fold in done.folds:
                fold_record(record, fold)
            out_of_fold_figures(record, data, done)
        valid = read_json(folder / "scores.json")["valid"]
        record.metrics({"valid": valid, "trials": len(result.trials), "best_trial": result.best.number})


def _scores(cv: Path, data: TrainingData, metric: Metric) -> list[float]:
    """Of the folds of trial 0, what was cross-validated."""
    if metric == data.competition.metric:
        return [fold["valid"] for fold in read_json(cv / "scores.json")["folds"]]
    import pandas as pd

    from pipeline.tuning.objective import fold_score

    table = pd.read_parquet(cv / "predictions.parquet")
    parts = [part for _, part in table.groupby("fold", sort=True)]
    return [fold_score(metric, data, part["row"].to_numpy(), part.drop(columns=["row", "fold"])) for part in parts]


def batch_size(tune: Tune, model: ModelConfig, competition: CompetitionConfig) -> int:
    """Trials at once: ``tune.batch``, by default 16 of a model that trains in stacks."""
    if tune.workers > 1 or model.fit.stack_key(model.model, competition.task) is None:
        return tune.batch or 1
    return tune.batch or BATCH


def tuned_config(competition: CompetitionConfig, declared: ModelConfig) -> ModelConfig:
    """The model as ``tuned/settings.json`` has it; never searched again."""
    settings = read_json(ModelPaths(competition.name, declared.name).tuned / "settings.json")
    return replace(rebuild_model(competition, declared.name, settings), tune=None)
