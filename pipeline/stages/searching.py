"""One model's search as its stage and its workers have it: the study, and the folds of trial 0 that it starts from."""

from __future__ import annotations

import time
from functools import partial
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.core.code import code_digest, code_files
from pipeline.core.config import CompetitionConfig, ModelConfig, Tune
from pipeline.core.files import digest, read_json
from pipeline.core.paths import SHIFT, ModelPaths
from pipeline.core.registry import settings_dict
from pipeline.core.types import FOLD, ROW, WEIGHT, Metric
from pipeline.metrics import metrics
from pipeline.stages.budget import Budget
from pipeline.stages.project import rebuild_model
from pipeline.stages.records import trial_record
from pipeline.stages.snapshot import searched_by
from pipeline.stages.view import Line, View
from pipeline.training.data import Rows, TrainingData
from pipeline.training.identity import fitted_parts
from pipeline.training.pool import Task

STACKED, ALONE = 16, 2
"""Trials that a study asks at once, of a model that trains in stacks and of others."""


class Searching:
    """A model's search at work in this process.

    ends: on ``time.monotonic``; no trial is begun that is not expected to be done by then. worker: a name that no
    other worker of this project has meanwhile, of one that joins a study; None for the stage, which begins it.
    """

    view: View
    task: Task[Any]
    record: Any

    def __init__(
        self,
        model: ModelConfig,
        rows: Rows,
        budget: Budget,
        line: Line,
        *,
        ends: float | None = None,
        worker: str | None = None,
    ) -> None:
        from pipeline.tuning.search import Search
        from pipeline.tuning.space import declared, parse_space
        from pipeline.tuning.study import Study

        self.model, self.line = model, line
        competition, tune = rows.competition, model.tune
        self.paths = ModelPaths(competition.name, model.name)
        if tune is None:
            raise ValueError("nothing to tune")
        self.tune = tune
        where = f"models.{model.name}.tune"
        self.build = partial(rebuild_model, competition, model.name)
        self.metric = competition.metric if tune.metric is None else metrics.build(tune.metric, where)
        self.data = rows.of(model)
        self.start = declared(parse_space(tune.space, f"{where}.space"), model, self.build, f"{where}.space")
        self.scores = _scores(self.paths.cv, self.data, self.metric)
        searched = {key: value for key, value in model.raw.items() if key not in ("tune", "budget", "retrain")}
        answers = [settings_dict(competition.task)] if competition.task.search is not None else []
        endless = budget.minutes is not None  # the clock ends it, and not a count
        batch = batch_size(tune, model, competition)
        self.line.total = None if endless else tune.trials
        self.study = Study(
            name=f"{model.name}-{digest(self.data.digest, searched, *answers)}",
            path=self.paths.study if worker is None else self.paths.study.with_name(f"{model.name}.{worker}.journal"),
            space=tune.space,
            declared=self.start,
            score=fmean(self.scores),
            scores=self.scores,
            higher_is_better=self.metric.higher_is_better,
            first=tune.first,
            trials=None if endless else tune.trials,
            minutes=inf if endless else tune.minutes,
            sampler=tune.sampler,
            pruner=tune.pruner,
            batch=batch,
            seed=tune.seed,
            facts={
                "model": f"{competition.name}/{model.name}",
                "data": self.data.digest,
                "folds": digest(self.scores),
                "settings": digest(
                    searched, *answers, tune.space, tune.first, tune.metric, tune.sampler, tune.pruner, tune.seed
                ),
                "total": digest(tune.trials, tune.minutes, endless, batch),
                "code": search_code(competition, model, tune),
            },
            joins=worker is not None,
        )
        self.trials = self.paths.checkpoints / ("trials" if worker is None else f"trials-{worker}")
        ends = budget.ends if ends is None else ends
        self.searching = Search(
            study=self.study,
            rows=rows,
            model=model,
            build=self.build,
            workers=budget.workers,
            threads=budget.config.execution.threads,
            trials=self.trials,
            metric=self.metric,
            told=self._told,
            seconds=budget.clock.ledger.trained.get(model.name, 0.0),
            time_left=lambda: ends - time.monotonic(),
            took=lambda: self.task.seconds,
        )
        self.best = self.line.score = fmean(self.scores)
        self.gained: list[bool] = []
        """Of each trial told in this run, whether it was the best so far."""

    def _told(self, trial: Any) -> None:
        sign = 1 if self.study.higher_is_better else -1
        better = trial.value is not None and sign * trial.value > sign * self.best
        if better:
            self.best = trial.value
        self.gained.append(better)
        self.line.done, self.line.score = trial.number + 1, self.best
        trial_record(self.record, trial.number, trial.overrides, trial.value, trial.scores, self.metric.label)
        if trial.why is not None:
            self.view.tell(self.model.name, f"trial {trial.number} came to nothing: {trial.why}")
        if better:
            self.view.tell(
                self.model.name, f"trial {trial.number} is the best so far, {self.metric.name} {trial.value:.5f}"
            )


def search_code(competition: CompetitionConfig, model: ModelConfig, tune: Tune) -> str:
    """Of the searching itself, and of every part that the space may choose."""
    from pipeline.tuning.space import apply

    parts = [*fitted_parts(competition, model), *searched_by(tune)]
    for key, body in tune.space.items():
        for value in body.get("choice", ()):
            changed = rebuild_model(competition, model.name, apply(model.raw, {key: value}))
            parts += fitted_parts(competition, changed)
    return code_digest(code_files(("core", "training", "tuning"), parts))


def _scores(cv: Path, data: TrainingData, metric: Metric) -> list[float]:
    """Of the folds of trial 0, what was cross-validated."""
    if metric == data.competition.metric:
        return [fold.get("weighted", fold["valid"]) for fold in read_json(cv / "scores.json")["folds"]]
    import pandas as pd

    from pipeline.tuning.search import fold_score

    table, kept = pd.read_parquet(cv / "predictions.parquet"), cv / SHIFT
    weights = pd.read_parquet(kept).set_index(ROW)[WEIGHT] if kept.exists() else None
    scores = []
    for _, part in table.groupby(FOLD, sort=True):
        row = part[ROW].to_numpy()
        own = None if weights is None else weights.loc[row].to_numpy()
        scores.append(fold_score(metric, data, row, part.drop(columns=[ROW, FOLD]), own))
    return scores


def batch_size(tune: Tune, model: ModelConfig, competition: CompetitionConfig) -> int:
    """Trials at once: ``tune.batch``, or what suits a model that trains in stacks, or alone."""
    if tune.batch is not None:
        return tune.batch
    return ALONE if model.fit.stack_key(model.model, competition.task) is None else STACKED
