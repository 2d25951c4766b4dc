"""A study that a kill cannot lose: taken up again, it asks what an undisturbed one would have asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.errors import Diverged, UserError
from pipeline.core.files import digest, lock
from pipeline.tuning.running import fail_left_behind, fail_running, mark
from pipeline.tuning.space import Space, parse_space
from pipeline.tuning.storage import open_storage, quiet, told_plainly
from pipeline.tuning.trial import Clock, Objective, Report, StudyResult, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Study:
    """One model's search.

    name: of the study in its storage; holds a digest of the data, so that new data start anew.
    path: the journal; its locks lie beside it. PODIUM_OPTUNA_STORAGE puts the study in a database.
    space: ``tune.space`` as written. declared: trial 0, see ``space.declared``.
    first: what the trials after it change of ``declared``.
    score, scores: what ``train`` found for trial 0, and of each fold.
    trials: total of finished trials, trial 0 and the pruned and diverged ones included.
    minutes: no trial begins after so much work, earlier runs included. One of the two at least.
    workers: processes side by side. With more than one the order of trials is chance, and so are
    the suggestions.
    batch: trials asked and tried at once, by ``objective.together``; then with one worker.
    One run at a time works on a study: the lock at ``path`` sees to it, on this machine. What
    another machine runs in the same database is left alone; should that machine be lost, so are
    the numbers of the trials it ran, until it tunes the study again.
    """

    name: str
    path: Path
    space: Mapping[str, Mapping[str, Any]]
    declared: Mapping[str, Any]
    score: float
    scores: Sequence[float]
    higher_is_better: bool
    first: Sequence[Mapping[str, Any]] = ()
    trials: int | None = None
    minutes: float | None = None
    pruner: Literal["none", "median", "wilcoxon", "halving"] = "none"
    workers: int = 1
    batch: int = 1
    seed: int = 0

    def run(self, objective: Objective, on_trial: Callable[[Trial], None] = lambda trial: None) -> StudyResult:
        """Go on until the total of trials or the time is reached.

        on_trial: called in this process with each trial that finishes in this run.
        Raises UserError when another run holds the study, or its storage fails.
        """
        if self.trials is None and self.minutes is None:
            raise UserError(f"study {self.name}: needs trials or minutes, got neither")
        with quiet(), ExitStack() as held:
            with told_plainly():
                held.enter_context(lock(self.path.with_suffix(".lock"), wait=10, held=f"the study {self.name}"))
                study = self._begin()
            clock = Clock(float(study.user_attrs.get("spent", 0.0)), time.monotonic())
            if self.workers == 1:
                self.work(study, objective, clock, on_trial)
            else:
                from pipeline.tuning.workers import run_workers

                run_workers(self, study, objective, clock, on_trial)
            finished = [trial for trial in self._finished(study) if self.trials is None or trial.number < self.trials]
        sign = -1.0 if self.higher_is_better else 1.0
        complete = [trial for trial in finished if trial.value is not None]
        best = min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
        return StudyResult(best, tuple(finished))

    @contextmanager
    def opened(self):
        with quiet(), ExitStack() as held:
            with told_plainly():
                held.enter_context(lock(self.path.with_suffix(".lock"), wait=10, held=f"the study {self.name}"))
                study = self._begin()
            yield OpenStudy(self, study)

    @told_plainly()
    def open(self) -> optuna.Study:
        """The study in its storage, made where it is not there yet."""
        import optuna

        from pipeline.tuning.pruners import build_pruner

        # Whatever changes trial 0 or the meaning of a trial's number is another study.
        identity = digest(
            self.space,
            self.declared,
            *([[dict(changes) for changes in self.first]] if self.first else []),
            self.score,
            list(self.scores),
            self.higher_is_better,
            self.pruner,
            self.seed,
        )
        return optuna.create_study(
            storage=open_storage(self.path),
            study_name=f"{self.name}-{identity}",
            direction="maximize" if self.higher_is_better else "minimize",
            pruner=build_pruner(self.pruner),
            load_if_exists=True,
        )

    def _begin(self) -> optuna.Study:
        """Open the study, fail what dead processes left running, and see that trial 0 is there."""
        from optuna.trial import TrialState, create_trial

        study = self.open()
        fail_left_behind(study, self.path)
        if not any(trial.user_attrs.get("number") == 0 for trial in _standing(study)):
            dimensions = self._dimensions
            study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    value=self.score,
                    params=self._known[0],
                    distributions={key: d.distribution() for key, d in dimensions.items()},
                    intermediate_values=dict(enumerate(self.scores)),
                    user_attrs={"number": 0},
                )
            )
        return study

    def work(self, study: optuna.Study, objective: Objective, clock: Clock, on_trial: Callable[[Trial], None]) -> None:
        """Ask, try and tell until nothing is left to ask: the loop of every worker."""
        if self.batch > 1:
            while trials := self._ask_batch(study):
                for told in self._try_batch(study, trials, objective, clock):
                    on_trial(told)
            return
        while (trial := self._ask(study)) is not None:
            on_trial(self._try(study, trial, objective, clock))

    @told_plainly()
    def _ask_batch(self, study: optuna.Study) -> list[optuna.Trial]:
        """Claim the trials that the next batch still lacks; none when the total or the time is reached."""
        from pipeline.tuning.batches import Given, batch_of, suggest

        standing = {trial.user_attrs.get("number"): trial for trial in _standing(study)}
        first = next(number for number in count() if number not in standing)
        if self.trials is not None and first >= self.trials:
            return []
        if self.minutes is not None and study.user_attrs.get("spent", 0.0) >= 60 * self.minutes:
            return []
        numbers = batch_of(first, self.batch, self.trials)
        before = [standing[number] for number in range(numbers.start)]
        distributions = {key: d.distribution() for key, d in self._dimensions.items()}
        trials = []
        for number, params in zip(
            numbers, suggest(before, distributions, study.direction, self.seed, numbers, self._known), strict=True
        ):
            if number in standing:
                continue  # told before this study was broken off
            study.sampler = Given(params)
            trial = study.ask(dict(distributions))
            trial.set_user_attr("process", mark(self.path))
            trial.set_user_attr("number", number)
            trials.append(trial)
        return trials

    def _try_batch(
        self, study: optuna.Study, trials: list[optuna.Trial], objective: Objective, clock: Clock
    ) -> list[Trial]:
        asked = [(self._overrides(trial.params), Report(trial, trial.user_attrs["number"])) for trial in trials]
        try:
            outcomes = objective.together(asked)  # type: ignore[attr-defined]
        except BaseException:
            numbers = {trial.number for trial in trials}
            fail_running(study, lambda running: running.number in numbers)
            raise
        told = []
        for trial, outcome in zip(trials, outcomes, strict=True):
            diverged = str(outcome) if isinstance(outcome, Diverged) else None
            told.append(self._tell(study, trial, None if diverged else outcome, diverged, clock))
        return told

    @told_plainly()
    def _ask(self, study: optuna.Study) -> optuna.Trial | None:
        """Claim the lowest number that no trial has; None when the total or the time is reached.

        The sampler is made anew for each number, seeded with it, and sees finished trials only
        (and those running in other workers), so that trials a kill broke off leave no trace.
        """
        from pipeline.tuning.batches import sampler_of

        with lock(self.path.with_suffix(".claim"), wait=600, held=f"the next trial of the study {self.name}"):
            taken = {trial.user_attrs.get("number") for trial in _standing(study)}
            number = next(number for number in count() if number not in taken)
            if self.trials is not None and number >= self.trials:
                return None
            if self.minutes is not None and study.user_attrs.get("spent", 0.0) >= 60 * self.minutes:
                return None
            study.sampler = sampler_of(number, self.seed, self._known)
            trial = study.ask({key: d.distribution() for key, d in self._dimensions.items()})
            trial.set_user_attr("process", mark(self.path))
            trial.set_user_attr("number", number)
            return trial

    def _try(self, study: optuna.Study, trial: optuna.Trial, objective: Objective, clock: Clock) -> Trial:
        number = trial.user_attrs["number"]
        overrides = self._overrides(trial.params)
        value, diverged = None, None
        try:
            value = objective(overrides, Report(trial, number))
            if value is not None and not math.isfinite(value):
                value, diverged = None, f"scored {value}"
        except Diverged as error:
            diverged = str(error)
        except BaseException as error:
            fail_running(study, lambda running: running.number == trial.number)
            if isinstance(error, UserError):
                raise UserError(f"trial {number} with {overrides}: {error}") from error
            raise
        return self._tell(study, trial, value, diverged, clock)

    @told_plainly()
    def _tell(
        self, study: optuna.Study, trial: optuna.Trial, value: float | None, diverged: str | None, clock: Clock
    ) -> Trial:
        from optuna.trial import TrialState

        if diverged is not None:
            # Told as pruned: Optuna's samplers leave failed trials out, and would ask for it again.
            trial.set_user_attr("diverged", diverged)
        study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)
        study.set_user_attr("spent", clock.spent())
        return self._row(study.trials[trial.number])

    @told_plainly()
    def _finished(self, study: optuna.Study) -> list[Trial]:
        rows = [self._row(trial) for trial in _standing(study) if trial.state.is_finished()]
        return sorted(rows, key=lambda row: row.number)

    def _row(self, trial: FrozenTrial) -> Trial:
        state: Literal["complete", "pruned", "diverged"] = "complete"
        if trial.state.name == "PRUNED":
            state = "diverged" if "diverged" in trial.user_attrs else "pruned"
        scores = tuple(score for _, score in sorted(trial.intermediate_values.items()))
        value = trial.value if state == "complete" else None
        return Trial(trial.user_attrs["number"], state, value, scores, self._overrides(trial.params))

    def _overrides(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {key: d.from_parameter(parameters[key]) for key, d in self._dimensions.items()}

    @cached_property
    def _known(self) -> dict[int, dict[str, Any]]:
        """Parameters of the trials that no sampler is asked for, by number: the declared and the first."""
        values = [{**self.declared, **changes} for changes in ({}, *self.first)]
        return {
            number: {key: dimension.to_parameter(values[number][key]) for key, dimension in self._dimensions.items()}
            for number in range(len(values))
        }

    @cached_property
    def _dimensions(self) -> Space:
        return parse_space(self.space, "tune.space")


def _standing(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count: all but the failed."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))


class OpenStudy:
    def __init__(self, owner, study):
        self.owner, self.study = owner, study
        self.spent = float(study.user_attrs.get("spent", 0.0))

    def ask(self):
        from pipeline.tuning.trial import Asked

        return [
            Asked(t, t.user_attrs["number"], self.owner._overrides(t.params)) for t in self.owner._ask_batch(self.study)
        ]

    def tell(self, asked, outcome, seconds):
        self.spent += seconds

        class C:
            def spent(_):
                return self.spent

        diverged = str(outcome) if isinstance(outcome, Diverged) else None
        return self.owner._tell(self.study, asked._trial, None if diverged else outcome, diverged, C())

    def give_back(self, asked):
        numbers = {one._trial.number for one in asked}
        fail_running(self.study, lambda running: running.number in numbers)

    def result(self):
        o = self.owner
        finished = [t for t in o._finished(self.study) if o.trials is None or t.number < o.trials]
        sign = -1.0 if o.higher_is_better else 1.0
        complete = [t for t in finished if t.value is not None]
        return StudyResult(min(complete, key=lambda t: (sign * (t.value or 0.0), t.number)), tuple(finished))
