"""What a study tries: a trial's settings to the mean score of its folds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.errors import Diverged
from pipeline.core.types import Executor, Metric
from pipeline.training.cross_validation import (
    CrossValidation,
    FoldJob,
    FoldResult,
    cross_validate,
    fit_folds,
    fold_fit_job,
    run_together,
)
from pipeline.training.data import TrainingData
from pipeline.training.identity import identity
from pipeline.training.stacking import train_until
from pipeline.tuning.pruners import RUNGS
from pipeline.tuning.space import apply
from pipeline.tuning.trial import Report, Trial

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

T = TypeVar("T")
Outcome: TypeAlias = "float | Diverged | None"
"""A trial's mean score; None where it was dropped."""


class Objective:
    """A trial's overrides to its mean fold score, told fold by fold.

    build: a model's whole raw settings to its configuration.
    metric: what scores a trial.
    trials: folder with a folder for each trial's finished folds. A study broken off in a trial
    goes on with them; the best trial's are read back at the end.
    progress: hears of trials done, with fractions; not carried to other processes.
    """

    def __init__(
        self,
        competition: CompetitionConfig,
        model: ModelConfig,
        build: Callable[[Mapping[str, Any]], ModelConfig],
        executor: Executor,
        threads: int,
        trials: Path,
        metric: Metric,
    ):
        self.competition, self.model, self.build = competition, model, build
        self.metric = metric
        self.executor, self.threads = executor, threads
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
        config = self.build(apply(self.model.raw, overrides))
        data = self.data(config.features)
        scores: list[float] = []
        count = len(data.folds)
        folds = self._folds(config, report.number, None, lambda done: self.progress(report.number + done / count))
        for result in folds:
            scores.append(self.score(data, result))
            if report(result.fold, scores[-1]) and len(scores) < count:
                folds.close()
                return None
        return fmean(scores)

    def score(self, data: TrainingData, result: FoldResult) -> float:
        """A fold's, by the metric that the study compares trials by."""
        if self.metric == self.competition.metric:
            return result.valid
        return fold_score(self.metric, data, result.index, result.predictions)

    def together(self, asked: Sequence[tuple[Mapping[str, Any], Report]]) -> list[Outcome]:
        """Several trials at once, in stacks of those that may share one: each one's score, None where
        halving dropped it."""
        trials = [Asked(self.build(apply(self.model.raw, overrides)), report) for overrides, report in asked]
        groups: dict[Any, list[Asked]] = {}
        for trial in trials:
            key = trial.config.fit.stack_key(trial.config.model, self.competition.task)
            groups.setdefault((trial.config.features, key), []).append(trial)
        outcomes: dict[int, Outcome] = {}
        for (_, key), group in groups.items():
            halving = key is not None and self.model.tune is not None and self.model.tune.pruner == "halving"
            outcomes |= self._try(group, halving, trials[0].number + len(outcomes))
        return [outcomes[trial.number] for trial in trials]

    def _try(self, group: list[Asked], halving: bool, done: int) -> dict[int, Outcome]:
        """Trials of one feature set and stack key. done: trials before them."""
        data = self.data(group[0].config.features)
        outcomes: dict[int, Outcome] = {}
        if halving:
            group, outcomes = self._halve(data, group)
        pairs = _side_by_side(data, group)
        jobs = [FoldJob(trial.config, k, self._place(data, trial)) for trial, k in pairs]

        def heard(folds: float) -> None:
            self.progress(done + folds / len(data.folds))

        results = list(run_together(data, jobs, self.executor, fit_folds, heard))
        return outcomes | {
            trial.number: trial.told(_of(trial, pairs, results), partial(self.score, data)) for trial in group
        }

    def _halve(self, data: TrainingData, group: list[Asked]) -> tuple[list[Asked], dict[int, Outcome]]:
        """Train up to each rung and keep the better half: those that stay, and what is told of the others."""
        sign = -1 if self.competition.metric.higher_is_better else 1
        outcomes: dict[int, Outcome] = {}
        for rung in RUNGS:
            if len(group) < 2:
                break
            pairs = _side_by_side(data, group)
            jobs = [RungJob(trial.config, k, self._place(data, trial), rung) for trial, k in pairs]
            flat = list(run_together(data, jobs, self.executor, train_to_rung))
            scores = {trial.number: _of(trial, pairs, flat) for trial in group}
            # An infinite score, of a fold that diverged, is the worst whichever way the metric points.
            losses = {number: fmean(sign * v if isfinite(v) else inf for v in vs) for number, vs in scores.items()}
            ranked = sorted(group, key=lambda trial: (losses[trial.number], trial.number))
            half = (len(group) + 1) // 2
            for trial in ranked[half:]:
                outcomes[trial.number] = trial.dropped(scores[trial.number])
                shutil.rmtree(self._place(data, trial), ignore_errors=True)
            group = sorted(ranked[:half], key=lambda trial: trial.number)
        return group, outcomes

    def again(
        self, config: ModelConfig, number: int, folder: Path, progress: Callable[[float], None]
    ) -> CrossValidation:
        """The best trial's folds; fitted anew where they are not kept."""
        predictors = folder / "members" if config.retrain.mode == "folds" else None
        return CrossValidation(list(self._folds(config, number, predictors, progress)))

    def _folds(
        self, config: ModelConfig, number: int, predictors: Path | None, progress: Callable[[float], None]
    ) -> Generator[FoldResult]:
        data = self.data(config.features)
        place = self._folder(data, config, number)
        return cross_validate(data, config, self.executor, checkpoint=place, predictors=predictors, progress=progress)

    def _place(self, data: TrainingData, trial: Asked) -> Path:
        return self._folder(data, trial.config, trial.number)

    def _folder(self, data: TrainingData, config: ModelConfig, number: int) -> Path:
        """Where a trial's finished folds are kept."""
        return self.trials / f"{number}-{identity(data, config, self.threads)}"


@dataclass(frozen=True)
class Asked:
    """A trial to try with others."""

    config: ModelConfig
    report: Report

    @property
    def number(self) -> int:
        return self.report.number

    def told(self, results: Sequence[FoldResult | Diverged], score: Callable[[FoldResult], float]) -> Outcome:
        """Report every fold; the mean score."""
        folds = []
        for result in results:
            if isinstance(result, Diverged):
                return result
            folds.append(result)
        scores = [score(result) for result in folds]
        try:
            for result, value in zip(folds, scores, strict=True):
                self.report(result.fold, value)
        except Diverged as fault:
            return fault
        return fmean(scores)

    def dropped(self, scores: Sequence[float]) -> Outcome:
        """Report the folds' scores where it was dropped."""
        finite = {fold: score for fold, score in enumerate(scores) if isfinite(score)}
        for fold, score in finite.items():
            self.report(fold, score)
        return None if finite else Diverged("it diverged before it was dropped")


@dataclass(frozen=True)
class RungJob:
    """A fold to train up to a rung of successive halving, a part of its epochs."""

    config: ModelConfig
    fold: int
    checkpoint: Path
    rung: float


def train_to_rung(data: TrainingData, jobs: Sequence[RungJob]) -> list[float]:
    """Validation scores at the rung; infinite where it diverged. The fits stay at their checkpoints."""
    folds = {k: data.fold(k) for k in sorted({job.fold for job in jobs})}
    todo = [fold_fit_job(data, FoldJob(job.config, job.fold, job.checkpoint), folds[job.fold]) for job in jobs]
    epochs = [max(1, int(job.config.fit.epochs * job.rung)) for job in jobs]  # type: ignore[attr-defined]
    scores = train_until([job.config.fit for job in jobs], todo, data.widest, epochs)
    return [inf if isinstance(score, Diverged) else score for score in scores]


def _side_by_side(data: TrainingData, group: Sequence[Asked]) -> list[tuple[Asked, int]]:
    """Every fold of every trial, in the order in which stacks are cut from them.

    A trial's folds side by side, since an optimiser works by groups of one rate; but where the folds
    do not stay in memory, the trials of a fold, so that a stack encodes few of them.
    """
    if data.loaded:
        return [(trial, k) for trial in group for k in data.folds]
    return [(trial, k) for k in data.folds for trial in group]


def _of(trial: Asked, pairs: Sequence[tuple[Asked, int]], results: Sequence[T]) -> list[T]:
    """A trial's own results, in its folds' order."""
    return [result for (other, _), result in zip(pairs, results, strict=True) if other is trial]


def fold_score(metric: Metric, data: TrainingData, index: np.ndarray, predictions: pd.DataFrame) -> float:
    """A metric of the predictions for the training rows at these positions."""
    return metric.score(data.target.iloc[index].reset_index(drop=True), predictions.reset_index(drop=True))


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
