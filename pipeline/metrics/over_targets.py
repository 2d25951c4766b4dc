"""Metrics of several targets: the mean over the columns of a metric of one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from pydantic import Field

from pipeline.core.class_columns import predictions_of
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import PartOf, settings
from pipeline.core.types import Metric
from pipeline.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd

Weights: TypeAlias = Mapping[str, Annotated[float, Field(ge=0)]]


class OverTargets(Metric):
    """Column by column, over the rows that have it; weights: by column, 1 for those not named."""

    tasks: ClassVar[tuple[str, ...]] = ("multioutput_regression", "multilabel", "multioutput_classification")
    weights: Mapping[str, float]

    @property
    @abstractmethod
    def each(self) -> Metric:
        """What scores a column."""

    @property
    def perfect(self) -> float | None:
        return self.each.perfect

    @property
    def worst(self) -> float | None:
        return self.each.worst

    @property
    def decision(self) -> Literal["thresholds", "cut_points"] | None:  # type: ignore[override]
        return self.each.decision

    @property
    def rewards_calibration(self) -> bool:  # type: ignore[override]
        return self.each.rewards_calibration

    @property
    def of_numbers(self) -> bool:
        """Whether a column of predictions that is named as its target is a number to the metric of one column."""
        return "regression" in self.each.tasks

    def score(self, target: Any, predictions: pd.DataFrame) -> float:
        """target: a column a target. predictions: of numbers or probabilities the same, of classes a column a class of
        each target. Raises UserError."""
        if unknown := [name for name in self.weights if name not in target]:
            raise UserError(f"metric {self.name}: weighs '{unknown[0]}', and the targets are {', '.join(target)}")
        scores, weights = [], []
        for name in target:
            if (score := self.of_column(str(name), target[name], predictions)) is not None:
                scores.append(score)
                weights.append(self.weights.get(str(name), 1.0))
        if not scores:
            raise UserError(f"metric {self.name}: no target has rows{self._of_both} to score")
        if not sum(weights):
            raise UserError(f"metric {self.name}: no target that weighs more than 0 has rows{self._of_both} to score")
        return float(np.average(scores, weights=weights))

    @property
    def _of_both(self) -> str:
        return " of both classes" if self.each.of_several_values else ""

    def target_faults(self, targets: Sequence[str]) -> list[str]:
        faults = [
            f"weights: '{name}' is no target; they are {', '.join(targets)}{did_you_mean(name, targets)}"
            for name in self.weights
            if name not in targets
        ]
        if not faults and not any(self.weights.get(name, 1.0) for name in targets):
            faults.append("weights: all targets weigh 0, so that none is scored; give one more than 0")
        return faults

    def over(self, one: Metric) -> Metric:
        mean = {"name": MeanOverTargets.name, "of": one.name, "weights": dict(self.weights)}
        return metrics.build(mean, "metric")  # type: ignore[no-any-return]

    def of_target(self, name: str) -> Metric:
        return OneTarget(self, name)

    def of_column(self, name: str, truth: pd.Series, predictions: pd.DataFrame) -> float | None:
        """The metric of one target, over the rows that have it; None where there is none, or a metric of both classes
        meets one alone."""
        known = truth.notna().to_numpy()
        truth = truth if known.all() else truth[known].reset_index(drop=True)
        if not len(truth) or (self.each.of_several_values and truth.nunique() < 2):
            return None
        predicted = predictions_of(predictions, name, self.of_numbers, None if known.all() else known)
        labels = not self.of_numbers and name in predictions.columns
        return self.each.score(truth.astype("int64") if labels else truth, predicted)


@dataclass(frozen=True)
class OneTarget(Metric):
    """One target of several, others left aside; 0 of rows that a column has no score of."""

    metric: Any
    target: str

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        return self.metric.higher_is_better  # type: ignore[no-any-return]

    @property
    def perfect(self) -> float | None:
        return None  # a part of the whole score

    @property
    def worst(self) -> float | None:
        return None

    def score(self, target: Any, predictions: pd.DataFrame) -> float:
        try:
            score: float | None = self.metric.of_column(self.target, target[self.target], predictions)
        except UserError:
            return 0.0
        return 0.0 if score is None else score


@metrics.register("mean_over_targets")
@settings
class MeanOverTargets(OverTargets):
    """of: any metric of one number or of two classes."""

    of: Annotated[Any, PartOf(metrics)]
    weights: Weights = Field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.of, OverTargets) or not {"regression", "classification"} & set(self.of.tasks):
            raise ValueError(f"needs a metric of one number or of classes, got {self.of.name}")

    @property
    def each(self) -> Metric:
        return self.of  # type: ignore[no-any-return]

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        return self.of.higher_is_better  # type: ignore[no-any-return]

    @property
    def needs_probabilities(self) -> bool:  # type: ignore[override]
        return self.of.needs_probabilities  # type: ignore[no-any-return]

    @property
    def label(self) -> str:
        return f"mean {self.of.label}"


@cache
def _built(name: str) -> Metric:
    return metrics.build(name, "metric")  # type: ignore[no-any-return]


class _Named(OverTargets):
    """A name that competitions know."""

    metric: ClassVar[str]

    @property
    def each(self) -> Metric:
        return _built(self.metric)


@metrics.register("mcrmse")
@settings
class MeanColumnwiseRootMeanSquaredError(_Named):
    """The mean of the columns' root mean squared errors."""

    tasks: ClassVar[tuple[str, ...]] = ("multioutput_regression",)
    higher_is_better: ClassVar[bool] = False
    metric: ClassVar[str] = "rmse"

    weights: Weights = Field(default_factory=dict)


@metrics.register("mean_columnwise_auc")
@settings
class MeanColumnwiseAuc(_Named):
    """The mean of the labels' areas under the ROC curve; a target of classes has the mean of each against the rest."""

    tasks: ClassVar[tuple[str, ...]] = ("multilabel", "multioutput_classification")
    higher_is_better: ClassVar[bool] = True
    needs_probabilities: ClassVar[bool] = True
    metric: ClassVar[str] = "roc_auc"

    weights: Weights = Field(default_factory=dict)


@metrics.register("mean_columnwise_log_loss")
@settings
class MeanColumnwiseLogLoss(_Named):
    """The mean of the log losses of labels or classes."""

    tasks: ClassVar[tuple[str, ...]] = ("multilabel", "multioutput_classification")
    higher_is_better: ClassVar[bool] = False
    needs_probabilities: ClassVar[bool] = True
    metric: ClassVar[str] = "log_loss"

    weights: Weights = Field(default_factory=dict)
