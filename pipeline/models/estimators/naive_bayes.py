"""Logistic regression on terms that are weighed by their naive-Bayes log-count ratios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import Plan
from pipeline.models.estimators.linear import LinearEstimator, deviations


class NaiveBayesEstimator(LinearEstimator):
    """For each class (the second of two) a logistic regression against the rest, on each term times the logarithm of
    how much more frequent it is in texts of the class. The ratios go into the coefficients: what is kept is linear.

    smoothing: added to every count.
    """

    def __init__(
        self, name: str, spec: Spec, task: Task, seed: int, solver: Callable[[int], Any], smoothing: float
    ) -> None:
        super().__init__(name, spec, task, seed, solver)
        self.smoothing = smoothing

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        from scipy.sparse import diags_array

        matrix, target = self.matrix(train), self.targets(train)
        weights = self.row_weights(train, target)
        present = (matrix != 0).astype(np.float64)  # [rows, p]: whether, not how often, as the paper has it
        if weights is not None:
            present = diags_array(weights) @ present
        self.seen = np.unique(target)
        # Two classes: one regression, for the second. More: one a class, against the rest.
        classes = self.seen[1:] if len(self.seen) == 2 else self.seen
        coefficients, intercepts = [], []
        for one in classes:
            of_class = target == one
            ratios = self._log_shares(present[of_class]) - self._log_shares(present[~of_class])  # [p]
            fitted = self.solver(self.seed).fit(matrix @ diags_array(ratios), of_class, sample_weight=weights)
            coefficients.append(fitted.coef_[0] * ratios)
            intercepts.append(fitted.intercept_[0])
        self.coefficients = np.stack(coefficients, axis=1)  # [p, outputs]
        self.intercept = np.array(intercepts)  # [outputs]
        self.deviations = deviations(matrix)

    def _log_shares(self, present: Any) -> np.ndarray:
        """Logarithm of each term's share of all: [some rows, p] -> [p]."""
        counts = np.asarray(present.sum(axis=0)).ravel() + self.smoothing
        return np.log(counts / counts.sum())  # type: ignore[no-any-return]
