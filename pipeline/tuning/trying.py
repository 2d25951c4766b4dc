"""A trial at work: its settings, and what has come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from pipeline.core.config import ModelConfig
from pipeline.core.errors import Diverged, UserError
from pipeline.training.folds import FoldResult

if TYPE_CHECKING:
    from pipeline.tuning.trial import Asked

Outcome: TypeAlias = "float | Diverged | None"
"""A trial's mean score; None where it was dropped."""


@dataclass
class Trying:
    """A trial that is tried, fold by fold."""

    asked: Asked
    config: ModelConfig
    results: list[FoldResult] = field(default_factory=list)
    fault: Diverged | None = None
    dropped: bool = False
    scores: list[float] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.asked.number

    @property
    def goes_on(self) -> bool:
        return self.fault is None and not self.dropped

    @property
    def outcome(self) -> Outcome:
        if self.fault is not None:
            return self.fault
        return None if self.dropped else fmean(self.scores)

    def take(self, result: FoldResult | Diverged) -> None:
        if isinstance(result, Diverged):
            self.fault = self.fault or result
        else:
            self.results.append(result)

    def report_last(self, score: Callable[[FoldResult], float], *, more: bool) -> None:
        """Report the last fold; the pruner may drop the trial where more were to come."""
        if self.fault is not None:
            return
        result = self.results[-1]
        if not self._score([result], score):
            return
        try:
            self.dropped = self.asked.report(result.fold, self.scores[-1]) and more
        except Diverged as fault:
            self.fault = fault

    def report(self, score: Callable[[FoldResult], float]) -> None:
        """Report every fold."""
        if self.fault is not None:
            return
        if not self._score(self.results, score):
            return
        try:
            for result, value in zip(self.results, self.scores, strict=True):
                self.asked.report(result.fold, value)
        except Diverged as fault:
            self.fault = fault

    def _score(self, results: Sequence[FoldResult], score: Callable[[FoldResult], float]) -> bool:
        """Score folds, which a metric may refuse; whether it did not."""
        try:
            self.scores += [score(result) for result in results]
        except UserError as fault:
            self.fault = Diverged(str(fault))
        return self.fault is None

    def drop(self, scores: Sequence[float | None]) -> None:
        """Report the folds' scores where it was dropped; None for a fold that diverged."""
        finite = {fold: value for fold, value in enumerate(scores) if value is not None}
        for fold, value in finite.items():
            self.asked.report(fold, value)
        self.dropped = True
        if not finite:
            self.fault = Diverged("it diverged before it was dropped")
