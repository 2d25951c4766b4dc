"""A linear model on terms that are weighed by their naive-Bayes log-count ratios."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import Plan
from pipeline.models.estimators.linear import LinearEstimator, deviations
from pipeline.models.estimators.platt import calibrated, pairs_among


class NaiveBayesEstimator(LinearEstimator):
    """For each class (the second of two) a linear model against the rest, on each term times the logarithm of
    how much more frequent it is in texts of the class. The ratios go into the coefficients: what is kept is linear.

    smoothing: added to every count. calibrated: whether the model gives distances, which Platt's scaling takes to
        log-odds.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        task: Task,
        seed: int,
        solver: Callable[[int], Any],
        smoothing: float,
        calibrated: bool = False,
    ) -> None:
        super().__init__(name, spec, task, seed, solver)
        self.smoothing, self.calibrated = smoothing, calibrated

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
            scaled = (matrix @ diags_array(ratios)).tocsr()  # [rows, p]
            fitted, scale, shift = self._fit_one(scaled, of_class, weights, plan)
            coefficients.append(fitted.coef_[0] * ratios * scale)
            intercepts.append(float(fitted.intercept_[0]) * scale + shift)
        self.coefficients = np.stack(coefficients, axis=1)  # [p, outputs]
        self.intercept = np.array(intercepts)  # [outputs]
        self.deviations = deviations(matrix)

    def _fit_one(
        self, matrix: Any, of_class: np.ndarray, weights: np.ndarray | None, plan: Plan
    ) -> tuple[Any, float, float]:
        """One class against the rest: the fitted model, and scale and shift that take what it says to log-odds."""
        if not self.calibrated or min(of_class.sum(), (~of_class).sum()) < 2:  # a lone row cannot be calibrated
            return self.solver(self.seed).fit(matrix, of_class, sample_weight=weights), 1.0, 0.0
        pairs = pairs_among(np.ones(len(of_class), bool), plan.inner_folds)
        return calibrated(partial(self.solver, self.seed), matrix, of_class, weights, pairs, self.seed)

    def _log_shares(self, present: Any) -> np.ndarray:
        """Logarithm of each term's share of all: [some rows, p] -> [p]."""
        counts = np.asarray(present.sum(axis=0)).ravel() + self.smoothing
        return np.log(counts / counts.sum())  # type: ignore[no-any-return]
