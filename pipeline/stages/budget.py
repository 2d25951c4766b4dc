"""A competition's budget: one deadline for everything from the raw files to the submission.

First every model's folds in the list's order, then searches, then the fits on all rows of the models that have
weight, then more seeds of these.
"""

from __future__ import annotations

import time

from pipeline.core.config import Config, ModelConfig
from pipeline.stages.clock import running_clock
from pipeline.training.executors import make_executor

AFTER = {"train": 14.0, "tune": 12.5, "retrain": 8.0}
"""Seconds kept after a stage for those that come: DVC's own work, blend, submission, report."""
MAY_HAVE_WEIGHT = 0.7
"""Part of the models' fits on all rows that time is kept for; models without weight are not fitted."""


class Budget:
    """What is left for the stage at work; endless where the models declare no budget."""

    def __init__(self, config: Config, competition: str, stage: str) -> None:
        self.config, self.competition, self.stage = config, competition, stage
        self.models = config.models_of(competition)
        self.clock = running_clock(competition)
        budgets = [model.budget for model in self.models if model.budget is not None]
        self.minutes = budgets[0].minutes if budgets else None
        split = config.competition(competition).split
        self.folds = max(split.folds, 2) if split is not None else 2
        self._executor = make_executor(config.execution)

    @property
    def workers(self) -> int:
        return self._executor.workers

    @property
    def deadline(self) -> float:
        """Of everything, on ``time.monotonic``."""
        if self.minutes is None:
            return float("inf")
        return self.clock.began + 60 * self.minutes - self.clock.before

    @property
    def ends(self) -> float:
        """When this stage must be done, on ``time.monotonic``."""
        if self.minutes is None:
            return float("inf")
        coming = AFTER[self.stage]
        if self.stage != "retrain":
            coming += MAY_HAVE_WEIGHT * sum(self.refit(model) for model in self.models) / self.workers
        return self.deadline - coming

    def refit(self, model: ModelConfig) -> float:
        """Seconds on one core of a model's fits on all rows; 0 where its folds have not been timed."""
        if model.retrain.mode == "folds":
            return 0.0
        took = self.clock.ledger.trained.get(model.name, 0.0)
        return took / max(self.folds - 1, 1) * model.retrain.seeds

    def trained(self, model: str, seconds: float) -> None:
        """Note what a model's folds took, on one core."""
        self.clock.ledger.trained[model] = seconds

    def no_time_for(self, model: ModelConfig) -> str | None:
        """Why a model's cross-validation is not begun, None where it is. The first in the list always is, since
        a submission needs one."""
        if self.minutes is None or model.name == self.models[0].name or model.budget is None:
            return None
        expected = self._expected(model)
        again = 0.0 if model.retrain.mode == "folds" else expected / max(self.folds - 1, 1)
        left = self.ends - time.monotonic()
        if left - again > max(expected, 1.0):
            return None
        takes = f"expected to take {expected:.1f} s" + (f" and {again:.1f} s on all rows" if again else "")
        return f"{takes}, and {max(left, 0):.1f} s are left for models, of {self.minutes:g} min in all"

    def _expected(self, model: ModelConfig) -> float:
        """Seconds of a cross-validation on all cores: as declared, times how much longer than declared those
        before it took."""
        if model.budget is None or model.budget.seconds is None:
            return 0.0
        pairs = [
            (self.clock.ledger.trained[other.name] / self.workers, other.budget.seconds)
            for other in self.models
            if other.name in self.clock.ledger.trained and other.budget is not None and other.budget.seconds
        ]
        slower = sum(took for took, _ in pairs) / sum(expected for _, expected in pairs) if pairs else 1.0
        return slower * model.budget.seconds
