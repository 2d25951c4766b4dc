"""A linear model on terms that are weighed by their naive-Bayes log-count ratios."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import Plan, log_against_rest
from pipeline.models.estimators.linear import LinearEstimator, deviations
from pipeline.models.estimators.platt import calibrated, pairs_among


class NaiveBayesEstimator(LinearEstimator):
    """For each class (the second of two) a ``RatioMachine`` against the rest.

    machine: makes an unfitted one. calibrated: whether it gives distances, which Platt's scaling takes to log-odds.
    """

    def __init__(
        self,
        name: str,
        spec: Spec,
        task: Task,
        seed: int,
        machine: Callable[[int], RatioMachine],
        calibrated: bool = False,
    ) -> None:
        super().__init__(name, spec, task, seed, machine)
        self.calibrated = calibrated

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        matrix, target = self.matrix(train), self.targets(train)
        weights = self.row_weights(train, target)
        self.seen = np.unique(target)
        # Two classes: one regression, for the second. More: one a class, against the rest.
        classes = self.seen[1:] if len(self.seen) == 2 else self.seen
        coefficients, intercepts = [], []
        for one in classes:
            fitted, scale, shift = self._fit_one(matrix, target == one, weights, plan)
            coefficients.append(fitted.coefficients * scale)
            intercepts.append(fitted.intercept * scale + shift)
        self.coefficients = np.stack(coefficients, axis=1)  # [p, outputs]
        self.intercept = np.array(intercepts)  # [outputs]
        self.deviations = deviations(matrix)

    def of_several(self, scores: np.ndarray) -> np.ndarray:
        """A calibrated score is the log-odds of its class, which a softmax would make too sure of it."""
        return log_against_rest(scores) if self.calibrated else super().of_several(scores)

    def _fit_one(
        self, matrix: Any, of_class: np.ndarray, weights: np.ndarray | None, plan: Plan
    ) -> tuple[RatioMachine, float, float]:
        """One class against the rest: the fitted machine, and scale and shift that take what it says to log-odds."""
        if not self.calibrated or min(of_class.sum(), (~of_class).sum()) < 2:  # a lone row cannot be calibrated
            return self.solver(self.seed).fit(matrix, of_class, sample_weight=weights), 1.0, 0.0
        pairs = pairs_among(np.ones(len(of_class), bool), plan.inner_folds)
        return calibrated(partial(self.solver, self.seed), matrix, of_class, weights, pairs, self.seed)


class RatioMachine:
    """A linear model of a class against the rest, on each term times the logarithm of how much more frequent it is in
    texts of the class. The ratios go into the coefficients: what is kept is linear.

    solver: an unfitted scikit-learn model. smoothing: added to every count.
    interpolation: the weights w are (1 - it) mean |w| + it w (Wang and Manning 2012, eq. 5); at 0 all are alike, and
        the ratios themselves are the coefficients, as in multinomial naive Bayes.
    """

    def __init__(self, solver: Any, smoothing: float, interpolation: float) -> None:
        self.solver, self.smoothing, self.interpolation = solver, smoothing, interpolation

    def fit(self, matrix: Any, target: np.ndarray, sample_weight: np.ndarray | None = None) -> RatioMachine:
        """matrix: sparse [rows, p]. target: bool [rows]."""
        from scipy.sparse import diags_array

        present = (matrix != 0).astype(np.float64)  # [rows, p]: whether, not how often, as the paper has it
        if sample_weight is not None:
            present = diags_array(sample_weight) @ present
        ratios = self._log_shares(present[target]) - self._log_shares(present[~target])  # [p]
        if self.interpolation == 0:
            self.coefficients, self.intercept = ratios, 0.0
            return self
        scaled = (matrix @ diags_array(ratios)).tocsr()  # [rows, p]
        fitted = self.solver.fit(scaled, target, sample_weight=sample_weight)
        own = fitted.coef_[0]  # [p]
        mixed = (1 - self.interpolation) * np.abs(own).mean() + self.interpolation * own
        self.coefficients, self.intercept = mixed * ratios, float(fitted.intercept_[0])
        return self

    def decision_function(self, matrix: Any) -> np.ndarray:
        """[rows, p] -> [rows]."""
        return matrix @ self.coefficients + self.intercept  # type: ignore[no-any-return]

    def _log_shares(self, present: Any) -> np.ndarray:
        """Logarithm of each term's share of all: [some rows, p] -> [p]."""
        counts = np.asarray(present.sum(axis=0)).ravel() + self.smoothing
        return np.log(counts / counts.sum())  # type: ignore[no-any-return]
