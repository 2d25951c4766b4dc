"""Linear models fitted by scikit-learn, kept as coefficients (so reading one back needs no scikit-learn)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.types import Encoded, Spec, Task
from pipeline.models.estimators.base import (
    Estimator,
    Plan,
    log_binary,
    log_softmax,
    numbers_only,
    spread_classes,
)

ARRAYS = ("coefficients", "intercept", "deviations", "seen")


class LinearEstimator(Estimator):
    """Any scikit-learn model with ``coef_`` and ``intercept_``.

    solver: makes the unfitted scikit-learn model; called in ``fit`` only.
    """

    def __init__(self, name: str, spec: Spec, task: Task, seed: int, solver: Callable[[int], Any]) -> None:
        numbers_only(name, spec)
        super().__init__(name, spec, task, seed)
        self.solver = solver

    def fit(self, train: Encoded, valid: Encoded | None, plan: Plan) -> None:
        numbers, target = self.finite_numbers(train), self.targets(train)
        fitted = self.solver(self.seed).fit(numbers, target)
        self.coefficients = np.atleast_2d(fitted.coef_).T.copy()  # [outputs, p] -> [p, outputs]
        self.intercept = np.atleast_1d(fitted.intercept_).astype(np.float64)  # [outputs]
        self.deviations = numbers.std(axis=0)  # [p]
        self.seen = np.unique(target) if self.classes else np.zeros(0, np.int64)  # [seen classes]

    def raw(self, inputs: Encoded) -> np.ndarray:
        scores = self.finite_numbers(inputs) @ self.coefficients + self.intercept  # [rows, p] -> [rows, outputs]
        if self.classes is None:
            return scores
        # Of two classes scikit-learn keeps the second one's log-odds alone.
        known = log_binary(scores[:, 0]) if scores.shape[1] == 1 else log_softmax(scores)
        return spread_classes(known, self.seen, self.classes)

    def importance(self) -> dict[str, float] | None:
        """How far one standard deviation of a feature moves the raw output; with several
        outputs the mean of the distances."""
        moves = self.coefficients * self.deviations[:, None]  # [p, outputs]
        moves = moves[:, 0] if moves.shape[1] == 1 else np.abs(moves).mean(axis=1)  # [p, outputs] -> [p]
        return dict(zip(self.spec.names.get("numbers", ()), moves.tolist()))

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ARRAYS}
        save_file(arrays, folder / "linear.safetensors")

    def load(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        arrays = load_file(folder / "linear.safetensors")
        for name in ARRAYS:
            setattr(self, name, arrays[name])
