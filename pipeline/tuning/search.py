"""A study at work: trials asked, their folds given to the pool as jobs, their scores told."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.core.config import ModelConfig
from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import digest, read_json, write_json
from pipeline.core.memory import no_memory
from pipeline.core.types import Metric
from pipeline.core.weighting.importance import weighted_score
from pipeline.training.cross_validation import CrossValidation, cross_validation, job_of, together
from pipeline.training.data import Rows, TrainingData
from pipeline.training.folds import FoldJob, FoldResult, fit_folds, fold_fit_job
from pipeline.training.identity import identity
from pipeline.training.jobs import Job
from pipeline.training.pool import Done, OutOfTime, Stop, Work, gather
from pipeline.training.stacking import train_until
from pipeline.tuning.batches import batch_of
from pipeline.tuning.pruners import RUNGS
from pipeline.tuning.space import apply
from pipeline.tuning.study import Study
from pipeline.tuning.trying import Outcome, Trying

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.tuning.trial import Asked, StudyResult, Trial

T = TypeVar("T")

MOST_BAD = 100
"""Trials one after another that may come to nothing in a search that a clock ends: what fails at once takes no time."""
WAIT_SECONDS = 1.0
"""Between two looks at trials that run elsewhere, when no number is left to ask."""


@dataclass
class Search:
    """One model's search.

    rows: the competition's. build: the model's whole raw settings to its configuration.
    workers: jobs that may run side by side, for whom stacks are cut. threads: of each job.
    metric: what scores a trial. trials: folder with a folder for each trial's finished folds; a study broken
    off in a trial goes on with them. told: hears of each trial.
    seconds: on one core, that a trial is expected to take. time_left: seconds; a batch that is not expected to be
    done in time is not asked. took: seconds that this work's jobs have taken so far, those that came to nothing too.
    """

    study: Study
    rows: Rows
    model: ModelConfig
    build: Callable[[Mapping[str, Any]], ModelConfig]
    workers: int
    threads: int
    trials: Path
    metric: Metric
    told: Callable[[Trial], None]
    seconds: float = 0.0
    time_left: Callable[[], float] = lambda: inf
    took: Callable[[], float] = lambda: 0.0
    best: tuple[int, list[FoldResult]] = (0, [])
    """The best trial's number, and its folds where this run has fitted them."""
    _value: float = field(init=False)

    def __post_init__(self) -> None:
        self._value = self.study.score

    def work(self) -> Work[StudyResult]:
        """Ask, try and tell until nothing is left to ask, or the time is over.

        Waits for trials that run elsewhere: that of a process which dies is asked again.
        """
        bad = 0  # trials, one after another
        with self.study.opened() as study:
            asked: list[Asked] = []
            try:
                while self._in_time() and (self.study.trials is not None or bad < MOST_BAD):
                    if not (asked := study.ask()):
                        if not study.unfinished():
                            break
                        yield from gather([Job(f"{self.model.name}: waits for others", time.sleep, (WAIT_SECONDS,))])
                        continue
                    before, many = self.took(), len(asked)
                    for one, outcome, results in (yield from self._try(asked)):
                        bad = bad + 1 if isinstance(outcome, Diverged) else 0
                        if (trial := study.tell(one, outcome, (self.took() - before) / many)) is not None:
                            self._note(trial, results)
                        asked = [other for other in asked if other is not one]
            except OutOfTime:
                pass
            finally:
                study.give_back(asked)
            return study.result()

    def conclude(self, settings: Mapping[str, Any], number: int, members: Path | None) -> Work[CrossValidation]:
        """The best trial's folds, fitted anew where neither this run nor an earlier one has kept them.

        members: folder for the folds' predictors, where retraining wants them.
        """
        config = self.build(settings)
        data = self.rows.of(config)
        if number == self.best[0] and self.best[1] and members is None:
            return CrossValidation(self.best[1], data.told)
        place = self._place(data, config, number)

        def folds() -> Work[CrossValidation]:
            # What it looks at nobody has asked the trial, and whether it was fitted anew must not be seen.
            return cross_validation(data, config, self.workers, checkpoint=place, predictors=members, explains=False)

        try:
            return (yield from folds())
        except OutOfTime:  # which comes once: without these folds nothing was found
            return (yield from folds())

    def _in_time(self) -> bool:
        return self.time_left() > self.study.batch * self.seconds / self.workers

    def _note(self, trial: Trial, results: list[FoldResult]) -> None:
        """Keep what the best trial left, and remove the other's."""
        sign, stale = (1 if self.study.higher_is_better else -1), trial.number
        if trial.value is not None and sign * trial.value > sign * self._value:
            stale, self.best, self._value = self.best[0], (trial.number, results), trial.value
        for place in self.trials.glob(f"{stale}-*"):
            shutil.rmtree(place, ignore_errors=True)
        self.told(trial)

    def _try(self, asked: Sequence[Asked]) -> Work[list[tuple[Asked, Outcome, list[FoldResult]]]]:
        """Several trials at once, in stacks of those that may share one. What is at fault in one of them is its own
        end alone."""
        competition = self.rows.competition
        trials: list[Trying] = []
        refused: list[tuple[Asked, Outcome, list[FoldResult]]] = []
        for one in asked:
            try:
                trials.append(Trying(one, self.build(apply(self.model.raw, one.overrides))))
            except UserError as fault:  # settings that are good by themselves, and do not go together
                refused.append((one, bad_trial(fault), []))
        groups: dict[Any, list[Trying]] = {}
        for trial in trials:
            key = trial.config.fit.stack_key(trial.config.model, competition.task)
            groups.setdefault((trial.config.features, key), []).append(trial)
        for (_, key), group in groups.items():
            data = self.rows.of(group[0].config)
            if key is not None and self.study.pruner == "halving":
                group = yield from self._halve(data, group)
            if key is None and self.study.pruner != "none":
                yield from self._fold_by_fold(data, group)
            else:
                yield from self._all_folds(data, group)
        return [*refused, *((trial.asked, trial.outcome, trial.results) for trial in trials)]

    def _all_folds(self, data: TrainingData, group: Sequence[Trying]) -> Work[None]:
        """Every fold of every trial, in the order in which stacks are cut from them.

        A trial's folds side by side, since an optimiser works by groups of one rate; but where the folds
        do not fit into memory with ease, the trials of a fold, so that a stack holds few of them. Where one is at
        fault, each is tried by itself, which shows whose it is.
        """
        if not group:
            return
        pairs = [(trial, k) for trial in group for k in data.folds]
        if not data.light:
            pairs.sort(key=lambda pair: pair[1])
        jobs = [FoldJob(trial.config, k, self._place(data, trial.config, trial.number)) for trial, k in pairs]
        results = yield from tried(together(data, jobs, self.workers, fit_folds, self._name(group)))
        if isinstance(results, Diverged):
            if len(group) == 1:
                group[0].fault = results
                return
            for trial in group:
                yield from self._all_folds(data, [trial])
            return
        for (trial, _), result in zip(pairs, results, strict=True):
            trial.take(result)
        for trial in group:
            trial.report(lambda result: self._score(data, result))

    def _fold_by_fold(self, data: TrainingData, group: Sequence[Trying]) -> Work[None]:
        """Trials one after another, each told of its folds in their order, and dropped as soon as it is behind."""
        for trial in group:
            folds = [FoldJob(trial.config, k, self._place(data, trial.config, trial.number)) for k in data.folds]
            name = self._name([trial])
            jobs = [job_of(f"{name}: fold {fold.fold}", fit_folds, data, [fold]) for fold in folds]
            places = {id(job): place for place, job in enumerate(jobs)}
            waiting, done, ended = iter(jobs), {}, 0
            while ended < len(jobs) and trial.goes_on:
                news = yield from tried(given(next(waiting, None)))
                if isinstance(news, Diverged):
                    trial.fault = news
                    break
                for one in news:
                    done[places.get(id(one.job))] = one.result[0]
                while ended in done and trial.goes_on:
                    trial.take(done[ended])
                    ended += 1
                    trial.report_last(lambda result: self._score(data, result), more=ended < len(jobs))
            yield Stop(jobs)

    def _halve(self, data: TrainingData, group: list[Trying]) -> Work[list[Trying]]:
        """Train up to each rung and keep the better half: those that stay.

        Who is dropped is noted before any is told: a study broken off while a batch is told asks for the rest of it
        alone, and a part must not be halved by itself. The note serves the same batch of the same study, and the trials
        in it that are the same.
        """
        batch = batch_of(group[0].number, self.study.batch, self.study.trials)
        mine = digest(self.study.whole_name, batch.start, batch.stop)
        note = self.trials / f"halving-{batch.start}-{mine}.json"
        noted: dict[str, list[float | None] | None] = read_json(note) if note.exists() else {}
        places = {trial.number: self._place(data, trial.config, trial.number) for trial in group}
        if any(place.name not in noted for place in places.values()):
            noted |= dict.fromkeys(place.name for place in places.values())
            dropped = yield from self._dropped(data, group)
            noted |= {places[number].name: scores for number, scores in dropped.items()}
            write_json(note, noted)
        for trial in group:
            place = places[trial.number]
            if (scores := noted[place.name]) is not None:
                trial.drop(scores)
                shutil.rmtree(place, ignore_errors=True)
        return [trial for trial in group if trial.goes_on]

    def _dropped(self, data: TrainingData, group: Sequence[Trying]) -> Work[dict[int, list[float | None]]]:
        """By number, the folds' scores of the trials that the rungs drop; None where a fold diverged."""
        sign = -1 if self.study.higher_is_better else 1
        dropped: dict[int, list[float | None]] = {}
        for rung in RUNGS:
            if len(group) < 2:
                break
            pairs = [(trial, k) for trial in group for k in data.folds]
            jobs = [RungJob(t.config, k, self._place(data, t.config, t.number), rung) for t, k in pairs]
            flat = yield from tried(together(data, jobs, self.workers, train_to_rung, self._name(group)))
            if isinstance(flat, Diverged):
                return {}  # all go on, and the one at fault comes to its end by itself
            scores: dict[int, list[float]] = {}
            for (trial, _), score in zip(pairs, flat, strict=True):
                scores.setdefault(trial.number, []).append(score)
            # An infinite score, of a fold that diverged, is the worst whichever way the metric points.
            losses = {number: fmean(sign * v if isfinite(v) else inf for v in vs) for number, vs in scores.items()}
            ranked = sorted(group, key=lambda trial: (losses[trial.number], trial.number))
            half = (len(group) + 1) // 2
            for trial in ranked[half:]:
                dropped[trial.number] = [score if isfinite(score) else None for score in scores[trial.number]]
            group = sorted(ranked[:half], key=lambda trial: trial.number)
        return dropped

    def _score(self, data: TrainingData, result: FoldResult) -> float:
        """A fold's, by the metric that the study compares trials by."""
        if self.metric == self.rows.competition.metric:
            return result.chosen_by
        return fold_score(self.metric, data, result.index, result.predictions, result.weights)

    def _place(self, data: TrainingData, config: ModelConfig, number: int) -> Path:
        """Where a trial's finished folds are kept."""
        return self.trials / f"{number}-{identity(data, config, self.threads)}"

    def _name(self, group: Sequence[Trying]) -> str:
        numbers = ", ".join(str(trial.number) for trial in group)
        return f"{self.model.name}: trial{'s' if len(group) > 1 else ''} {numbers}"


def tried(work: Work[T]) -> Work[T | Diverged]:
    """A trial's work, or what is at fault in it: want of memory, what a library refuses or a process that dies is no
    reason to lose the trials that went well. A full disk is no trial's fault."""
    try:
        return (yield from work)
    except (OutOfTime, OSError):
        raise
    except Exception as fault:
        return bad_trial(fault)


def given(job: Job | None) -> Work[list[Done]]:
    """What was done since the last one was given."""
    return (yield job)


def bad_trial(fault: Exception) -> Diverged:
    """The fault as the study takes it, in one line."""
    if isinstance(fault, UserError):
        return Diverged("; ".join(str(fault).splitlines()))
    first = (str(fault).strip().splitlines() or [""])[0]
    return Diverged(no_memory(fault) or f"{type(fault).__name__}: {first}")


@dataclass(frozen=True)
class RungJob:
    """A fold to train up to a rung of successive halving, a part of its epochs."""

    config: ModelConfig
    fold: int
    checkpoint: Path
    rung: float

    @property
    def reads(self) -> tuple[Path, ...]:
        return ()

    @property
    def writes(self) -> tuple[Path, ...]:
        return (self.checkpoint / f"fold-{self.fold}",)


def train_to_rung(data: TrainingData, jobs: Sequence[RungJob]) -> list[float]:
    """Validation scores at the rung; infinite where it diverged. The fits stay at their checkpoints."""
    folds = {k: data.fold(k) for k in sorted({job.fold for job in jobs})}
    todo = [fold_fit_job(data, FoldJob(job.config, job.fold, job.checkpoint), folds[job.fold]) for job in jobs]
    epochs = [max(1, int(job.config.fit.epochs * job.rung)) for job in jobs]  # type: ignore[attr-defined]
    scores = train_until([job.config.fit for job in jobs], todo, data.widest, epochs)
    return [inf if isinstance(score, Diverged) else score for score in scores]


def fold_score(
    metric: Metric,
    data: TrainingData,
    index: np.ndarray,
    predictions: pd.DataFrame,
    weights: np.ndarray | None = None,
) -> float:
    """A metric of the predictions for the training rows at these positions. weights: [rows]; None: all count alike."""
    target, predictions = data.target.iloc[index].reset_index(drop=True), predictions.reset_index(drop=True)
    if weights is None:
        return metric.score(target, predictions)
    return weighted_score(metric.score, target, predictions, weights)
