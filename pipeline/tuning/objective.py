"""What a study tries: a trial's settings to the mean score of its folds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.core.config import CompetitionConfig, ModelConfig
from pipeline.core.errors import Diverged
from pipeline.core.types import Executor
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


class Objective:
    """A trial's overrides to its mean fold score, told fold by fold.

    build: a model's whole raw settings to its configuration.
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
    ):
        self.competition, self.model, self.build = competition, model, build
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
        results = []
        count = len(self.data(config.features).folds)
        folds = self._folds(config, report.number, None, lambda done: self.progress(report.number + done / count))
        for result in folds:
            results.append(result)
            if report(result.fold, result.valid) and len(results) < count:
                folds.close()
                return None
        return CrossValidation(results).score

    def together(self, asked: Sequence[tuple[Mapping[str, Any], Report]]) -> list[float | Diverged | None]:
        """Several trials at once, in stacks of those that may share one: each one's score, None where
        halving dropped it."""
        configs = [self.build(apply(self.model.raw, overrides)) for overrides, _ in asked]
        groups: dict[Any, list[int]] = {}
        for i, config in enumerate(configs):
            key = config.fit.stack_key(config.model, self.competition.task)
            groups.setdefault((config.features, key), []).append(i)
        found: dict[int, list[FoldResult | Diverged]] = {}
        dropped: dict[int, list[float]] = {}
        done = 0
        for (features, key), members in groups.items():
            data, before = self.data(features), done

            def place(i: int, data: TrainingData = data) -> Path:
                return self.trials / f"{asked[i][1].number}-{identity(data, configs[i], self.threads)}"

            staying = members
            if key is not None and self.model.tune is not None and self.model.tune.pruner == "halving":
                staying, gone = self._halve(data, configs, members, place)
                dropped |= gone
            jobs = [FoldJob(configs[i], k, place(i)) for k in data.folds for i in staying]
            first = asked[0][1].number + before

            def heard(folds: float, data: TrainingData = data, first: int = first) -> None:
                self.progress(first + folds / len(data.folds))

            results = list(run_together(data, jobs, self.executor, fit_folds, heard))
            for place_in, i in enumerate(staying):
                found[i] = results[place_in :: len(staying)]
            done += len(members)
        return [self._outcome(found.get(i), dropped.get(i), report) for i, (_, report) in enumerate(asked)]

    def _outcome(
        self, results: list[FoldResult | Diverged] | None, dropped: list[float] | None, report: Report
    ) -> float | Diverged | None:
        if results is None:
            finite = {fold: score for fold, score in enumerate(dropped or []) if isfinite(score)}
            for fold, score in finite.items():
                report(fold, score)
            return None if finite else Diverged("it diverged before it was dropped")
        for result in results:
            if isinstance(result, Diverged):
                return result
        folds = [result for result in results if not isinstance(result, Diverged)]
        try:
            for result in folds:
                report(result.fold, result.valid)
        except Diverged as fault:
            return fault
        return CrossValidation(folds).score

    def _halve(
        self, data: TrainingData, configs: Sequence[ModelConfig], members: list[int], place: Callable[[int], Path]
    ) -> tuple[list[int], dict[int, list[float]]]:
        """Train up to each rung and keep the better half: those that stay, and the others' fold scores."""
        sign = -1 if self.competition.metric.higher_is_better else 1
        gone: dict[int, list[float]] = {}
        for rung in RUNGS:
            if len(members) < 2:
                break
            jobs = [RungJob(configs[i], k, place(i), rung) for k in data.folds for i in members]
            flat = list(run_together(data, jobs, self.executor, train_to_rung))
            scores = {i: flat[at :: len(members)] for at, i in enumerate(members)}
            means = {i: fmean(values) if all(map(isfinite, values)) else inf * sign for i, values in scores.items()}
            ranked = sorted(members, key=lambda i: (sign * means[i], i))
            gone |= {i: scores[i] for i in ranked[(len(ranked) + 1) // 2 :]}
            members = sorted(ranked[: (len(ranked) + 1) // 2])
        for i in gone:
            shutil.rmtree(place(i), ignore_errors=True)
        return members, gone

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
        place = self.trials / f"{number}-{identity(data, config, self.threads)}"
        return cross_validate(data, config, self.executor, checkpoint=place, predictors=predictors, progress=progress)


@dataclass(frozen=True)
class RungJob:
    """A fold to train up to a rung of successive halving, a part of its epochs."""

    config: ModelConfig
    fold: int
    checkpoint: Path
    rung: float


def train_to_rung(data: TrainingData, jobs: Sequence[RungJob]) -> list[float]:
    """Validation scores at the rung; infinite where it diverged. The fits stay at their checkpoints."""
    todo = [fold_fit_job(data, FoldJob(job.config, job.fold, job.checkpoint), data.fold(job.fold)) for job in jobs]
    epochs = [max(1, int(job.config.fit.epochs * job.rung)) for job in jobs]  # type: ignore[attr-defined]
    scores = train_until([job.config.fit for job in jobs], todo, data.widest, epochs)
    return [inf if isinstance(score, Diverged) else score for score in scores]


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
