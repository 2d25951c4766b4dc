"""Metrics of numeric targets, in the target's own units.

In numpy alone: scoring every epoch must cost well under a millisecond, and importing
``sklearn.metrics`` over a second. The tests hold each to scikit-learn's value.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Metric
from pipeline.metrics import metrics
from pipeline.metrics.arrays import numbers

if TYPE_CHECKING:
    import pandas as pd


class RegressionMetric(Metric):
    """Scores the column ``prediction`` against a numeric target."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    higher_is_better: ClassVar[bool] = False

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        return self.of(*numbers(self.name, target, predictions))

    @abstractmethod
    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """truth, predicted: finite float64 [rows]."""

    def refuse_below(self, limit: float, strict: bool, advice: str, **columns: np.ndarray) -> None:
        """Raise UserError naming the first value below (strict: at or below) the limit."""
        for what, values in columns.items():
            wrong = values <= limit if strict else values < limit
            if wrong.any():
                row = int(wrong.argmax())
                rule = f"above {limit:g}" if strict else f"of at least {limit:g}"
                raise UserError(
                    f"metric {self.name}: needs a {what} {rule}, got {values[row]:g} in row {row}; {advice}"
                )


def _root_mean_square(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


@metrics.register("rmse")
@settings
class RootMeanSquaredError(RegressionMetric):
    """Root mean squared error."""

    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        return _root_mean_square(predicted - truth)


@metrics.register("log_rmse")
@settings
class LogRootMeanSquaredError(RegressionMetric):
    """Root mean squared error of the logarithms; predictions below 1 are set to 1 before.

    The book's measure of house prices (Dive into Deep Learning, 5.7.4).
    """

    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        self.refuse_below(0, True, "use rmse or rmsle for such a target", target=truth)
        return _root_mean_square(np.log(np.maximum(predicted, 1.0)) - np.log(truth))


@metrics.register("rmsle")
@settings
class RootMeanSquaredLogError(RegressionMetric):
    """Root mean squared error of log(1 + value).

    clip: set negative predictions to 0 instead of refusing them.
    """

    clip: bool = False

    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        self.refuse_below(0, False, "use rmse or mae for such a target", target=truth)
        if self.clip:
            predicted = np.maximum(predicted, 0.0)
        advice = "give the task `target: log1p`, or the metric `clip: true`"
        self.refuse_below(0, False, advice, prediction=predicted)
        return _root_mean_square(np.log1p(predicted) - np.log1p(truth))


@metrics.register("mae")
@settings
class MeanAbsoluteError(RegressionMetric):
    """Mean absolute error."""

    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        return float(np.mean(np.abs(predicted - truth)))


@metrics.register("mape")
@settings
class MeanAbsolutePercentageError(RegressionMetric):
    """Mean of absolute error / absolute target, as a fraction (1 is 100 %).

    A target of 0 counts as the smallest step above 0, as in scikit-learn.
    """

    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        smallest = np.finfo(np.float64).eps
        return float(np.mean(np.abs(predicted - truth) / np.maximum(np.abs(truth), smallest)))


@metrics.register("r2")
@settings
class R2(RegressionMetric):
    """Coefficient of determination. A constant target scores 1 if met exactly, else 0."""

    higher_is_better: ClassVar[bool] = True

    @property
    def worst(self) -> float | None:
        return None

    def of(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        if len(truth) < 2:
            raise UserError(f"metric {self.name}: needs at least 2 rows, got {len(truth)}")
        residual = float(np.sum(np.square(truth - predicted)))
        total = float(np.sum(np.square(truth - truth.mean())))
        if total == 0.0:
            return 1.0 if residual == 0.0 else 0.0
        return 1.0 - residual / total
