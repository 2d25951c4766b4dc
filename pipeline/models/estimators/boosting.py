"""What the three gradient boosting libraries share; each has its own short file beside this one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import FLOOR, Estimator, Plan, log_binary, log_softmax, matrix_names, some_rows

CURVE_POINTS = 200

STEP_ROWS = 1 << 16
"""Rows answered at a time."""


class BoostingEstimator(Estimator):
    """Numbers (missing ones as NaN) and, where the feature set gives them, categories as the
    library's own: codes from 0, where 0 is a missing or unseen level."""

    def __init__(self, settings: Any, spec: Spec, task: Task, seed: int) -> None:
        super().__init__(settings.name, spec, task, seed, settings.class_weights)
        self.settings = settings

    @property
    def features(self) -> list[str]:
        """Names of the columns of ``matrix``."""
        return matrix_names(self.spec)

    @property
    def kind(self) -> str:
        """regression, binary or multiclass: the libraries have an objective for each."""
        return "regression" if self.classes is None else "binary" if self.classes == 2 else "multiclass"

    def objective(self, plan: Plan, names: dict[str, Any]) -> Any:
        """The library's own name for the loss: of ``names``, by loss or by kind of classes."""
        return names[plan.loss or "squared"] if self.classes is None else names[self.kind]

    def labels(self, train: Encoded, valid: Encoded | None) -> list[tuple[Encoded, np.ndarray, np.ndarray | None]]:
        """Training rows and, where there are any, validation rows, each with its target and row weights.

        Validation rows weigh by the training rows' classes too, so that stopping aims at what is trained for.
        """
        target = self.targets(train)
        parts = [(train, target, self.row_weights(train, target))]
        if valid is not None:
            against = valid["target"].reshape(-1)  # [rows, 1] or [rows] -> [rows]
            parts.append((valid, against, self.row_weights(valid, against, training=target)))
        return parts

    def categorical(self, inputs: Encoded) -> list[int]:
        """Which columns of ``matrix`` are categories."""
        p = inputs["numbers"].shape[1]
        return list(range(p, p + inputs["categories"].shape[1])) if "categories" in inputs else []

    @abstractmethod
    def margin(self, inputs: Encoded) -> np.ndarray:
        """Sum of the trees: [rows] or, with more than two classes, [rows, classes]."""

    def shapley(self, inputs: Encoded) -> np.ndarray | None:
        """The library's own exact Shapley values of ``margin`` (Lundberg et al. 2020), the expected value last:
        [rows, columns + 1], or [rows, outputs, columns + 1]; None where it has none."""
        return None

    def contributions(self, inputs: Encoded) -> dict[str, np.ndarray] | None:
        """See ``Fitted``."""
        values = self.shapley(inputs)
        if values is None:
            return None
        values = values.reshape(len(values), -1, values.shape[-1])  # -> [rows, outputs, columns + 1]
        return {name: values[:, :, place] for place, name in enumerate(self.features)}

    def raw(self, inputs: Encoded) -> np.ndarray:
        starts = range(0, max(1, len(inputs["numbers"])), STEP_ROWS)  # never a copy of a large table whole
        margins = [self.margin(some_rows(inputs, slice(start, start + STEP_ROWS))) for start in starts]
        margin = np.concatenate(margins).astype(np.float64)
        if self.classes is None:
            return margin.reshape(-1, 1)  # [rows] -> [rows, 1]
        known = log_binary(margin) if margin.ndim == 1 else log_softmax(margin)
        return np.maximum(known, FLOOR)

    def shares(self, gains: np.ndarray) -> dict[str, float]:
        """Importance by name, summing to 1."""
        total = float(gains.sum()) or 1.0
        return {name: float(gain) / total for name, gain in zip(self.features, gains)}


def thinned(train: list[float], valid: list[float] | None) -> dict[str, list[float]]:
    """Loss curves of at most about 200 points, with the iteration of each (1 is the first)."""
    count = len(train)
    step = max(1, -(-count // CURVE_POINTS))
    points = sorted({*range(step - 1, count, step), count - 1}) if count else []
    curves = {"iteration": [float(k + 1) for k in points], "train_loss": [float(train[k]) for k in points]}
    return curves if valid is None else {**curves, "valid_loss": [float(valid[k]) for k in points]}


def now_and_then(plan: Plan) -> Callable[[int], None]:
    """Report progress about a hundred times in all; called with iterations done."""
    step = max(1, plan.iterations // 100)

    def report(done: int) -> None:
        if done % step == 0 or done == plan.iterations:
            plan.progress(done, plan.iterations)

    return report
