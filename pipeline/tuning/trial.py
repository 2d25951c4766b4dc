"""Trials: as they are asked, and as they are told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.core.errors import Diverged
from pipeline.tuning.storage import told_plainly

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    number: counts finished trials from 0, the declared settings; without gaps, since a trial that a
    kill broke off leaves its number to the one asked in its place.
    state: ``complete``; ``pruned`` after some folds; ``diverged``: its fit gave no finite numbers, or came to nothing
        otherwise. why: the reason of that.
    value: mean score of the folds, None unless complete.
    scores: score of each fold done, in order.
    """

    number: int
    state: Literal["complete", "pruned", "diverged"]
    value: float | None
    scores: tuple[float, ...]
    overrides: Mapping[str, Any]
    why: str | None = None

    def to_json(self) -> dict[str, Any]:
        told = {} if self.why is None else {"why": self.why}
        return {
            "number": self.number,
            "state": self.state,
            "value": self.value,
            "scores": list(self.scores),
            "overrides": dict(self.overrides),
            **told,
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


class Asked:
    """A trial that is to be tried.

    number: counts finished trials, the same after a kill. overrides: settings by dotted key.
    memory: the trials before its batch, see ``batches.remember``, which a pruner compares it with.
    """

    def __init__(self, trial: optuna.Trial, number: int, overrides: Mapping[str, Any], memory: optuna.Study) -> None:
        self.number, self.overrides = number, overrides
        self._trial, self._memory = trial, memory
        self._scores: dict[int, float] = {}

    def report(self, fold: int, score: float) -> bool:
        """Keep a fold's score; True where the pruner drops the trial, or another machine tries it anew.

        Folds count from 0 in the order of ``Study.scores``, whatever they are called elsewhere.
        Raises Diverged for a score that is no finite number.
        """
        if not math.isfinite(score):
            raise Diverged(f"fold {fold} scored {score}")
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState, create_trial

        with told_plainly():
            try:
                self._trial.report(score, fold)
            except UpdateFinishedTrialError:
                return True
        self._scores[fold] = score
        seen = create_trial(state=TrialState.RUNNING, intermediate_values=self._scores)
        return self._memory.pruner.prune(self._memory, seen)
