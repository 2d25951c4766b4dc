"""``cv/`` as trial 0, a search space -> ``tuned/``: the best trial's settings, scores, predictions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.config import CompetitionConfig, Config, ModelConfig
from pipeline.core.files import digest, read_json, whole_folder, write_json
from pipeline.core.paths import ModelPaths
from pipeline.core.types import Executor
from pipeline.stages.progress import progress_callback
from pipeline.stages.project import rebuild_model
from pipeline.stages.records import fold_record, model_record, out_of_fold_figures, trial_record
from pipeline.training.cross_validation import CrossValidation, FoldResult, cross_validate
from pipeline.training.data import TrainingData
from pipeline.training.executors import make_executor
from pipeline.training.identity import identity

if TYPE_CHECKING:
    from pipeline.tuning.study import Report, Trial

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
    shutil.rmtree(_trials(paths), ignore_errors=True)


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
    from pipeline.tuning.space import apply, declared, parse_space
    from pipeline.tuning.study import Study

    tune = model.tune
    if tune is None:
        raise ValueError("nothing to tune")
    where = f"models.{model.name}.tune.space"

    def build(raw: Mapping[str, Any]) -> ModelConfig:
        return rebuild_model(competition, model.name, raw)

    scores = read_json(paths.cv / "scores.json")
    executor = make_executor(config.execution, beside=tune.workers)
    trials = TrialFolders(_trials(paths), scores["valid"], competition.metric.higher_is_better)
    objective = Objective(competition, model, executor, config.execution.threads, trials.root)
    # Several workers encode the folds for themselves, and this process none.
    data = objective.data(model.features) if tune.workers == 1 else TrainingData(competition, model.features)
    start = declared(parse_space(tune.space, where), model, build, where)
    fold_scores = [fold["valid"] for fold in scores["folds"]]
    study = Study(
        name=f"{model.name}-{digest(data.facts['digest'], {k: v for k, v in model.raw.items() if k != 'tune'})}",
        path=paths.study,
        space=tune.space,
        declared=start,
        score=scores["valid"],
        scores=fold_scores,
        higher_is_better=competition.metric.higher_is_better,
        trials=tune.trials,
        minutes=tune.minutes,
        pruner=tune.pruner,
        workers=tune.workers,
        seed=tune.seed,
    )
    with model_record(data, model, "tune") as record:
        advance = objective.progress = progress_callback(tune.trials, f"{model.name}: trials")

        def on_trial(trial: Trial) -> None:
            advance(trial.number + 1)
            trials.told(trial)
            trial_record(record, trial.number, trial.overrides, trial.value, trial.scores)

        trial_record(record, 0, start, scores["valid"], fold_scores)
        with advance:
            result = study.run(objective, on_trial)
        settings = apply(model.raw, result.best.overrides)
        write_json(folder / "trials.json", result.to_json())
        write_json(folder / "settings.json", settings)
        if result.best.number == 0:
            _pass_on(paths.cv, folder)
        else:
            done = objective.again(build(settings), result.best.number, folder)
            done.write(folder)
            for fold in done.folds:
                fold_record(record, fold)
            out_of_fold_figures(record, data, done)
        record.metrics({"valid": result.best.value, "trials": len(result.trials), "best_trial": result.best.number})


class Objective:
    """A trial's overrides to its mean fold score, told fold by fold.

    trials: folder with a folder for each trial's finished folds. A study broken off in a trial
    goes on with them; the best trial's are read back at the end.
    progress: hears of trials done, with fractions; not carried to other processes.
    """

    def __init__(
        self, competition: CompetitionConfig, model: ModelConfig, executor: Executor, threads: int, trials: Path
    ):
        self.competition, self.model, self.executor, self.threads = competition, model, executor, threads
        self.trials = trials
        self.progress: Callable[[float], None] = _unheard
        self._data: dict[str, TrainingData] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without the encoded folds: a process of the study encodes its own in less time."""
        return {**self.__dict__, "progress": _unheard, "_data": {}}

    def data(self, feature_set: str) -> TrainingData:
        if feature_set not in self._data:
            self._data[feature_set] = TrainingData(self.competition, feature_set)
            self._data[feature_set].preload()
        return self._data[feature_set]

    def __call__(self, overrides: Mapping[str, Any], report: Report) -> float | None:
        from pipeline.tuning.space import apply

        config = rebuild_model(self.competition, self.model.name, apply(self.model.raw, overrides))
        results = []
        count = len(self.data(config.features).folds)
        folds = self._folds(config, report.number, None, lambda done: self.progress(report.number + done / count))
        for result in folds:
            results.append(result)
            if report(result.fold, result.valid) and len(results) < count:
                folds.close()
                return None
        return CrossValidation(results).score

    def again(self, config: ModelConfig, number: int, folder: Path) -> CrossValidation:
        """The best trial's folds; fitted anew where they are not kept."""
        predictors = folder / "members" if config.retrain.mode == "folds" else None
        with progress_callback(len(self.data(config.features).folds), f"{self.model.name}: best trial") as advance:
            return CrossValidation(list(self._folds(config, number, predictors, advance)))

    def _folds(
        self, config: ModelConfig, number: int, predictors: Path | None, progress: Callable[[float], None]
    ) -> Generator[FoldResult]:
        data = self.data(config.features)
        place = self.trials / f"{number}-{identity(data, config, self.threads)}"
        return cross_validate(data, config, self.executor, checkpoint=place, predictors=predictors, progress=progress)


def _unheard(done: float) -> None:
    pass


class TrialFolders:
    """The folders of finished folds under ``root``, of which only the best told trial's stays.

    score: of trial 0, which has none.
    """

    def __init__(self, root: Path, score: float, higher_is_better: bool):
        self.root, self.sign = root, 1 if higher_is_better else -1
        self.number, self.score = 0, score

    def told(self, trial: Trial) -> None:
        """Remove the trial's folder, or the one that was the best until now."""
        stale = trial.number
        if trial.value is not None and self.sign * trial.value > self.sign * self.score:
            stale, self.number, self.score = self.number, trial.number, trial.value
        for place in self.root.glob(f"{stale}-*"):
            shutil.rmtree(place, ignore_errors=True)


def tuned_config(competition: CompetitionConfig, declared: ModelConfig) -> ModelConfig:
    """The model as ``tuned/settings.json`` has it; never searched again."""
    settings = read_json(ModelPaths(competition.name, declared.name).tuned / "settings.json")
    return replace(rebuild_model(competition, declared.name, settings), tune=None)
