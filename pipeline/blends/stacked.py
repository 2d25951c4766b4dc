"""A level-two model on the models' out-of-fold predictions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from pipeline.blends import blends
from pipeline.blends.blending import Blending, best_model, only
from pipeline.blends.calibration import class_codes
from pipeline.blends.log_pool import fit_log_pool
from pipeline.core.combination import Combination, Library
from pipeline.core.registry import settings


@blends.register("stacked")
@settings
class Stacked(Blending):
    """A linear model on raw answers, with an intercept (Wolpert 1992, Stacked Generalization): ridge
    regression in the units of the loss, for classes a logistic regression on logits. One weight a
    model; they need not sum to 1.

    strength: of the penalty that pulls the weights to 1 / number of models, as a number of rows.
    non_negative: no weight below 0.
    """

    numeric: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("regression", "classification")

    strength: float = Field(default=10.0, ge=0)
    non_negative: bool = False

    def fit(self, library: Library) -> Combination:
        strength = self.strength * library.copies
        codec = library.task.of_no_rows(library.target_codec)
        raw = np.stack([library.task.raw(frame, codec) for frame in library.frames])
        models = len(raw)  # raw: [models, rows, outputs]
        if library.task.target_kind == "class":
            codes = class_codes(library.target, library.frames[0])
            weights, intercept = fit_log_pool(
                raw, codes, prior=1 / models, strength=strength, non_negative=self.non_negative
            )
        else:
            truth = library.task.raw(library.target.to_frame("prediction"), codec)  # [rows, 1]
            weights, intercept = self._ridge(raw[:, :, 0].T, truth[:, 0], strength)
        if not weights.any():
            return Combination(only(best_model(library), models))
        return Combination(weights.tolist(), intercept.tolist())

    def _ridge(self, answers: np.ndarray, truth: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """answers [rows, models], truth [rows] -> weights [models], intercept [1]."""
        from scipy.optimize import lsq_linear

        models = answers.shape[1]
        means, centre = answers.mean(axis=0), truth.mean()
        scale = np.sqrt(strength * answers.var(axis=0).mean())
        system = np.vstack([answers - means, scale * np.eye(models)])  # [rows + models, models]
        wanted = np.concatenate([truth - centre, np.full(models, scale / models)])
        # |Ax - b| and |Rx - Q'b| are least at the same x, and R is small.
        orthogonal, triangular = np.linalg.qr(system)
        bounds = (0.0 if self.non_negative else -np.inf, np.inf)
        weights = lsq_linear(triangular, orthogonal.T @ wanted, bounds=bounds, method="bvls", tol=1e-12).x
        return weights, np.array([centre - means @ weights])
