"""Support vector machines fitted by scikit-learn, kept as what they are: vectors and coefficients."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.types import Encoded, InnerFolds, Spec, Task
from pipeline.models.estimators.base import (
    ArrayEstimator,
    Plan,
    log_against_rest,
    log_binary,
    numbers_only,
    some_rows,
    spread_classes,
)
from pipeline.models.estimators.platt import calibrated, pairs_among

if TYPE_CHECKING:
    from pipeline.models.support_vectors import SupportVectors

KERNEL_ENTRIES = 1 << 22
"""Entries of the kernel matrix computed at once (32 MiB)."""


class SupportVectorEstimator(ArrayEstimator):
    """A sum of kernels over the support vectors: k(x, vectors) @ coefficients + intercept.

    ``scale`` and ``shift`` [outputs] take it to the target's units (regression) or to the
    log-odds of each class (classification, Platt 1999).
    """

    file = "support_vectors.safetensors"
    arrays = ("vectors", "coefficients", "intercept", "scale", "shift", "gamma", "seen")

    def __init__(self, settings: SupportVectors, spec: Spec, task: Task, seed: int) -> None:
        numbers_only(settings.name, spec)
        super().__init__(settings.name, spec, task, seed, settings.class_weights)
        self.settings = settings

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        numbers, target = self.finite_numbers(train), self.targets(train)
        if self.classes is None:
            self._fit_regression(numbers, target, self.row_weights(train, target))
        else:
            self._fit_classification(numbers, target, train, plan.inner_folds)

    def _shared(self) -> dict[str, Any]:
        own = self.settings
        return {
            "kernel": own.kernel,
            "C": own.C,
            "gamma": own.gamma,
            "degree": own.degree,
            "coef0": own.coef0,
            "cache_size": 500,  # MB
        }

    def _fit_regression(self, numbers: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> None:
        from sklearn.svm import SVR

        center, unit = target.mean(), target.std() or 1.0
        machine = SVR(epsilon=self.settings.epsilon, **self._shared())
        machine.fit(numbers, (target - center) / unit, sample_weight=weights)
        self._keep(numbers, [machine])
        self.scale, self.shift = np.array([unit]), np.array([center])
        self.seen = np.zeros(0, np.int64)

    def _fit_classification(
        self, numbers: np.ndarray, target: np.ndarray, train: Encoded, folds: InnerFolds | None
    ) -> None:
        from sklearn.svm import SVC

        weighs = train.get("row_weight", np.ones(len(target))) > 0  # libsvm refuses a class without any weight
        seen, counts = np.unique(target[weighs], return_counts=True)
        seen = seen[counts > 1]  # a single row cannot both be learned and calibrated
        if len(seen) < 2:
            raise UserError(f"model '{self.name}': needs two classes with at least two training rows each")
        fine = np.isin(target, seen) & weighs
        pairs = pairs_among(fine, folds)
        numbers, target, train = numbers[fine], target[fine], some_rows(train, fine)
        weights = self.row_weights(train, target)
        # Two classes: one machine, for the second. More: one a class, against the rest.
        classes = seen[1:] if len(seen) == 2 else seen
        machine = partial(SVC, **self._shared())
        fitted = [calibrated(machine, numbers, target == one, weights, pairs, self.seed) for one in classes]
        self._keep(numbers, [machine for machine, _, _ in fitted])
        self.scale = np.array([scale for _, scale, _ in fitted], np.float64)
        self.shift = np.array([shift for _, _, shift in fitted], np.float64)
        self.seen = seen

    def _keep(self, numbers: np.ndarray, machines: list[Any]) -> None:
        """Keep the support vectors of all machines once each, and the gamma they were fitted with."""
        gamma: Any = self.settings.gamma
        if gamma == "scale":
            variance = numbers.var()
            gamma = 1 / (numbers.shape[1] * variance) if variance else 1.0
        elif gamma == "auto":
            gamma = 1 / numbers.shape[1]
        self.gamma = np.array([gamma], np.float64)
        rows = np.unique(np.concatenate([machine.support_ for machine in machines]))
        self.vectors = numbers[rows]  # [vectors, p]
        self.coefficients = np.zeros((len(rows), len(machines)))  # [vectors, outputs]
        for k, machine in enumerate(machines):
            self.coefficients[np.searchsorted(rows, machine.support_), k] = machine.dual_coef_[0]
        self.intercept = np.array([machine.intercept_[0] for machine in machines])  # [outputs]

    def raw(self, inputs: Encoded) -> np.ndarray:
        numbers = self.finite_numbers(inputs)
        step = max(1, KERNEL_ENTRIES // max(1, len(self.vectors)))
        decision = np.empty((len(numbers), len(self.intercept)))
        for start in range(0, len(numbers), step):
            kernel = self._kernel(numbers[start : start + step])  # [step, p] -> [step, vectors]
            decision[start : start + step] = kernel @ self.coefficients  # [step, outputs]
        answer = (decision + self.intercept) * self.scale + self.shift
        if self.classes is None:
            return answer
        known = log_binary(answer[:, 0]) if len(self.seen) == 2 else log_against_rest(answer)  # [rows, seen]
        return spread_classes(known, self.seen, self.classes)

    def _kernel(self, numbers: np.ndarray) -> np.ndarray:
        own = self.settings
        if own.kernel == "rbf":
            squares = (numbers**2).sum(axis=1)[:, None] + (self.vectors**2).sum(axis=1)[None, :]
            return np.exp(-self.gamma * np.maximum(squares - 2 * numbers @ self.vectors.T, 0))
        products = numbers @ self.vectors.T  # [step, p] -> [step, vectors]
        return products if own.kernel == "linear" else (self.gamma * products + own.coef0) ** own.degree

    def importance(self) -> dict[str, float] | None:
        return None
