"""``cv/`` as trial 0, a search space -> ``tuned/``: the best trial's settings, scores, predictions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.core.config import CompetitionConfig, Config, ModelConfig
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.paths import ModelPaths
from pipeline.core.types import Executor
from pipeline.stages.progress import progress_callback
from pipeline.stages.project import rebuild_model
from pipeline.stages.records import model_record, out_of_fold_figures
from pipeline.training.cross_validation import CrossValidation, cross_validate
from pipeline.training.data import TrainingData
from pipeline.training.executors import make_executor

PASSED_ON = ("predictions.parquet", "scores.json", "curves.json", "importance.json", "members")


def run(config: Config, name: str) -> None:
    model = config.model(name)
    competition = config.competition(model.competition)
    paths = ModelPaths(competition.name, name)
    with whole_folder(paths.tuned) as folder:
        if model.tune is None:
            _pass_on(paths.cv, folder)
            write_json(folder / "settings.json", model.raw)
        else:
            _search(config, competition, model, paths, folder)


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
    from pipeline.tuning.space import apply, declared, parse_space
    from pipeline.tuning.study import Study

    tune = model.tune
    if tune is None:
        raise ValueError("nothing to tune")
    where = f"models.{model.name}.tune.space"

    def build(raw: Mapping[str, Any]) -> ModelConfig:
        return rebuild_model(competition, model.name, raw)

    scores = read_json(paths.cv / "scores.json")
    objective = Objective(competition, model, make_executor(config.execution))
    data = objective.data(model.features)
    study = Study(
        name=f"{model.name}-{digest(data.facts['digest'], {k: v for k, v in model.raw.items() if k != 'tune'})}",
        path=paths.study,
        space=tune.space,
        declared=declared(parse_space(tune.space, where), model, build, where),
        score=scores["valid"],
        scores=[fold["valid"] for fold in scores["folds"]],
        higher_is_better=competition.metric.higher_is_better,
        trials=tune.trials,
        minutes=tune.minutes,
        pruner=tune.pruner,
        workers=tune.workers,
        seed=tune.seed,
    )
    with model_record(data, model, "tune") as record:
        advance = progress_callback(tune.trials, f"{model.name}: trials")

        def on_trial(trial: Any) -> None:
            advance(trial.number + 1)
            with record.child(f"trial {trial.number}", params=dict(trial.overrides), tags={}) as child:
                child.metrics({} if trial.value is None else {"valid": trial.value})
                child.curves({"fold_valid": list(trial.scores)})

        with advance:
            result = study.run(objective, on_trial)
        settings = apply(model.raw, result.best.overrides)
        write_json(folder / "trials.json", result.to_json())
        write_json(folder / "settings.json", settings)
        if result.best.number == 0:
            _pass_on(paths.cv, folder)
        else:
            done = objective.again(build(settings), folder)
            done.write(folder)
            out_of_fold_figures(record, data, done)
        record.metrics({"valid": result.best.value, "trials": len(result.trials), "best_trial": result.best.number})


class Objective:
    """A trial's overrides to its mean fold score, told fold by fold."""

    def __init__(self, competition: CompetitionConfig, model: ModelConfig, executor: Executor):
        self.competition, self.model, self.executor = competition, model, executor
        self._data: dict[str, TrainingData] = {}
        self._best: tuple[Mapping[str, Any], CrossValidation] | None = None

    def data(self, feature_set: str) -> TrainingData:
        if feature_set not in self._data:
            self._data[feature_set] = TrainingData(self.competition, feature_set)
            self._data[feature_set].preload()
        return self._data[feature_set]

    def __call__(self, overrides: Mapping[str, Any], report: Any) -> float | None:
        from pipeline.tuning.space import apply

        config = rebuild_model(self.competition, self.model.name, apply(self.model.raw, overrides))
        results = []
        folds = cross_validate(self.data(config.features), config, self.executor)
        for result in folds:
            results.append(result)
            if report(result.fold, result.valid) and len(results) < len(self.data(config.features).folds):
                folds.close()
                return None
        return self._keep(config, CrossValidation(results)).score

    def _keep(self, config: ModelConfig, done: CrossValidation) -> CrossValidation:
        """Hold on to the best trial's folds, so that they need no second fit."""
        sign = 1 if self.competition.metric.higher_is_better else -1
        if self._best is None or sign * done.score > sign * self._best[1].score:
            self._best = (config.raw, done)
        return done

    def again(self, config: ModelConfig, folder: Path) -> CrossValidation:
        """The best trial's folds; fitted anew where an earlier run or another process found them."""
        if self._best is not None and self._best[0] == config.raw and config.retrain.mode == "all_rows":
            return self._best[1]
        data = self.data(config.features)
        predictors = folder / "members" if config.retrain.mode == "folds" else None
        return CrossValidation(list(cross_validate(data, config, self.executor, predictors=predictors)))


def tuned_config(competition: CompetitionConfig, declared: ModelConfig) -> ModelConfig:
    """The model as ``tuned/settings.json`` has it; never searched again."""
    settings = read_json(ModelPaths(competition.name, declared.name).tuned / "settings.json")
    return replace(rebuild_model(competition, declared.name, settings), tune=None)
