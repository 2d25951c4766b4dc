"""Trials: what the objective is handed, and what a study tells of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pipeline.core.errors import Diverged
from pipeline.tuning.storage import told_plainly

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    number: counts finished trials from 0, the declared settings; without gaps, since a trial that a
    kill broke off leaves its number to the one asked in its place.
    state: ``complete``; ``pruned`` after some folds; ``diverged``: its fit gave no finite numbers.
    value: mean score of the folds, None unless complete.
    scores: score of each fold done, in order.
    """

    number: int
    state: Literal["complete", "pruned", "diverged"]
    value: float | None
    scores: tuple[float, ...]
    overrides: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "state": self.state,
            "value": self.value,
            "scores": list(self.scores),
            "overrides": dict(self.overrides),
        }


@dataclass(frozen=True)
class StudyResult:
    """What a study found. Holds no times, so that the same study gives the same bytes."""

    best: Trial
    trials: tuple[Trial, ...]

    def to_json(self) -> dict[str, Any]:
        """``count`` is the number that ``tune.trials`` needs to repeat this study exactly."""
        return {
            "best": self.best.number,
            "count": len(self.trials),
            "trials": [trial.to_json() for trial in self.trials],
        }


class Report:
    """Handed to the objective: ``report(fold, score)`` keeps the score, and is True to prune.

    Folds count from 0 in the order of ``Study.scores``, whatever they are called elsewhere.

    number: of the trial, the same after a kill.
    """

    def __init__(self, trial: optuna.Trial, number: int) -> None:
        self.number = number
        self._trial = trial

    def __call__(self, fold: int, score: float) -> bool:
        if not math.isfinite(score):
            raise Diverged(f"fold {fold} scored {score}")
        with told_plainly():
            self._trial.report(score, fold)
            return self._trial.should_prune()


Objective: TypeAlias = Callable[[Mapping[str, Any], Report], "float | None"]
"""Overrides (dotted key to value) and a Report to the mean score; None when pruned; Diverged when
a fit gave no finite numbers. With several workers it must be picklable: a function at the top of a
module, a ``functools.partial`` of one, or an instance of a class."""


@dataclass(frozen=True)
class Clock:
    """Seconds a study has worked, earlier runs included; the same in every process."""

    before: float
    began: float

    def spent(self) -> float:
        return self.before + time.monotonic() - self.began


class Asked(Report):
    def __init__(self, trial, number, overrides):
        super().__init__(trial, number)
        self.overrides = overrides

    def report(self, fold, score):
        return self(fold, score)
