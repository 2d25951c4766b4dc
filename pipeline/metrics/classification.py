"""Metrics of classes. In numpy for the reason told in ``regression``; held to scikit-learn's values.

Predicted is the most probable class; of equally probable ones, the first.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Metric
from pipeline.metrics import metrics
from pipeline.metrics.arrays import class_probabilities, confusion, numbers

if TYPE_CHECKING:
    import pandas as pd


class ClassificationMetric(Metric):
    """Class facts that most of them share."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    higher_is_better: ClassVar[bool] = True


class ConfusionMetric(ClassificationMetric):
    """Scores the confusion matrix; a threshold a class may serve it better than the most probable class."""

    decision: ClassVar[Literal["thresholds", "cut_points"] | None] = "thresholds"

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        names = [str(name) for name in predictions.columns]
        return self.of(confusion(self.name, target, predictions), names)

    @abstractmethod
    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        """matrix: int [classes, classes], true class by predicted class. names: the classes as text."""


@metrics.register("accuracy")
@settings
class Accuracy(ConfusionMetric):
    """Share of rows whose predicted class is the true one."""

    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        return float(matrix.trace() / matrix.sum())


@metrics.register("balanced_accuracy")
@settings
class BalancedAccuracy(ConfusionMetric):
    """Mean recall of the classes that the target has."""

    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        rows = matrix.sum(axis=1)
        present = rows > 0
        return float(np.mean(matrix.diagonal()[present] / rows[present]))


@metrics.register("f1")
@settings
class F1(ConfusionMetric):
    """Harmonic mean of precision and recall.

    average: ``binary`` is the F1 of one class; ``macro`` the mean over the classes that are
    true or predicted somewhere; ``weighted`` the same, weighted by true rows; ``micro`` counts
    all classes' hits and misses together.
    positive: the class ``binary`` looks at; the second of two when not given.
    """

    average: Literal["binary", "macro", "weighted", "micro"] = "binary"
    positive: Any = None

    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        hits, true, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        if self.average == "micro":
            return float(hits.sum() / matrix.sum())
        f1 = 2 * hits / np.maximum(true + predicted, 1)  # [classes]; 0 where a class is nowhere
        if self.average == "binary":
            return float(f1[self._positive(names)])
        if self.average == "weighted":
            return float(np.average(f1, weights=true))
        return float(f1[true + predicted > 0].mean())

    def _positive(self, names: list[str]) -> int:
        if self.positive is None:
            if len(names) != 2:
                raise UserError(
                    f"metric f1: average binary needs 2 classes, got {len(names)}; "
                    "set positive to one class, or average to macro, weighted or micro"
                )
            return 1
        if str(self.positive) not in names:
            raise UserError(f"metric f1: positive must be one of the classes {', '.join(names)}, got {self.positive!r}")
        return names.index(str(self.positive))


@metrics.register("matthews")
@settings
class Matthews(ConfusionMetric):
    """Matthews correlation coefficient of any number of classes (Gorodkin 2004); 0 where undefined."""

    @property
    def worst(self) -> float | None:
        return -1.0

    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        matrix = matrix.astype(np.float64)
        true, predicted, rows = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
        covariance = matrix.trace() * rows - true @ predicted
        spread = (rows**2 - true @ true) * (rows**2 - predicted @ predicted)
        return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


@metrics.register("kappa")
@settings
class Kappa(ConfusionMetric):
    """Cohen's kappa: accuracy beyond that of chance (Cohen 1960); 0 where undefined."""

    @property
    def worst(self) -> float | None:
        return -1.0

    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        shares = matrix / matrix.sum()
        by_chance = float(shares.sum(axis=1) @ shares.sum(axis=0))
        return (float(shares.trace()) - by_chance) / (1.0 - by_chance) if by_chance < 1.0 else 0.0


@metrics.register("quadratic_weighted_kappa")
@settings
class QuadraticWeightedKappa(Metric):
    """Cohen's kappa with squared distances: of the classes' places in order, or of whole numbers.

    A regression's predictions are rounded (halves to the even number) and kept within the
    target's range; its target must hold whole numbers. Where these span more than 300, predictions
    are rounded alone: no cut points between them are fitted.

    With squared weights the kappa of the confusion matrix is
    1 - E[(a - b)²] / (var a + var b + (E a - E b)²), no matrix needed.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    higher_is_better: ClassVar[bool] = True
    decision: ClassVar[Literal["thresholds", "cut_points"] | None] = "cut_points"
    of_several_values: ClassVar[bool] = True

    @property
    def worst(self) -> float | None:
        return -1.0

    def of(self, matrix: np.ndarray, names: list[str]) -> float:
        """matrix: int [grades, grades], true grade by predicted grade, in order."""
        grades = np.arange(len(matrix), dtype=np.float64)
        true, predicted, rows = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
        squares = np.square(grades[:, None] - grades)  # [grades, grades]
        by_chance = true @ squares @ predicted / rows
        return float(1.0 - (matrix * squares).sum() / by_chance) if by_chance > 0 else 0.0

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        truth, predicted = self._grades(target, predictions)
        if truth.min() == truth.max():
            raise UserError(
                f"metric {self.name}: needs at least 2 classes in the target, got only {str(target.iloc[0])!r} in "
                f"{len(truth)} rows; use the split stratified"
            )
        by_chance = truth.var() + predicted.var() + (truth.mean() - predicted.mean()) ** 2
        return float(1.0 - np.mean(np.square(truth - predicted)) / by_chance)

    def _grades(self, target: pd.Series, predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """float64 [rows] each."""
        if list(predictions.columns) != ["prediction"]:
            codes, probabilities = class_probabilities(self.name, target, predictions)
            return codes.astype(np.float64), probabilities.argmax(axis=1).astype(np.float64)
        truth, predicted = numbers(self.name, target, predictions)
        wrong = truth != np.rint(truth)
        if wrong.any():
            row = int(wrong.argmax())
            raise UserError(f"metric {self.name}: needs whole numbers as target, got {truth[row]:g} in row {row}")
        return truth, np.clip(np.rint(predicted), truth.min(), truth.max())


@metrics.register("log_loss")
@settings
class LogLoss(ClassificationMetric):
    """Mean negative log probability of the true class, in nats.

    Each row's probabilities are scaled to sum to 1, then kept one float64 step from 0 and 1.
    """

    higher_is_better: ClassVar[bool] = False
    needs_probabilities: ClassVar[bool] = True
    rewards_calibration: ClassVar[bool] = True

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        codes, probabilities = class_probabilities(self.name, target, predictions)
        sums = probabilities.sum(axis=1)
        wrong = (probabilities.min(axis=1) < 0) | (sums <= 0)
        if wrong.any():
            row = int(wrong.argmax())
            raise UserError(
                f"metric {self.name}: probabilities must not be negative nor all 0, got "
                f"{probabilities[row].tolist()[:5]} in row {row}"
            )
        step = np.finfo(np.float64).eps
        chosen = probabilities[np.arange(len(codes)), codes] / sums
        return float(-np.mean(np.log(np.clip(chosen, step, 1.0 - step))))


@metrics.register("roc_auc")
@settings
class RocAuc(ClassificationMetric):
    """Area under the ROC curve: of the second of two classes, or the mean of each class against
    the rest (over the classes that the target has)."""

    needs_probabilities: ClassVar[bool] = True
    of_several_values: ClassVar[bool] = True

    def score(self, target: pd.Series, predictions: pd.DataFrame) -> float:
        codes, probabilities = class_probabilities(self.name, target, predictions)
        present = np.unique(codes)
        if len(present) < 2:
            raise UserError(
                f"metric {self.name}: needs at least 2 classes among the rows it scores, got only "
                f"{str(predictions.columns[present[0]])!r} in {len(codes)} rows; use the split stratified"
            )
        looked_at = [1] if probabilities.shape[1] == 2 else present.tolist()
        return float(np.mean([_area(codes == k, probabilities[:, k]) for k in looked_at]))


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    """Mann-Whitney: share of (positive, negative) pairs in the right order, ties half. Both [rows]."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # [rows], from 1; equal scores share a mean rank
    positives = int(positive.sum())
    negatives = len(positive) - positives
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
