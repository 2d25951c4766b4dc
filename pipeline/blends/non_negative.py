"""Non-negative least squares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.blends import blends
from pipeline.blends.blending import Blending, best_model, only
from pipeline.core.class_columns import SIGN, columns_of
from pipeline.core.combination import Combination, Library
from pipeline.core.registry import settings

if TYPE_CHECKING:
    import pandas as pd


@blends.register("non_negative")
@settings
class NonNegative(Blending):
    """Weights that make the squared error of the weighted sum least, none negative, scaled to
    sum to 1 (Breiman 1996, Stacked Regressions). Probabilities are fitted to 0 and 1, all
    classes at once.

    Numeric targets are fitted in their own units and, where target and predictions are all
    positive, in their logarithms too; the weights of the better score stay.
    """

    numeric: ClassVar[bool] = True

    def weights(self, library: Library) -> list[float]:
        frames = library.frames
        predictions = np.stack([frame.to_numpy(dtype=np.float64).ravel() for frame in frames], axis=1)
        truth = _truth(library.target, frames[0])  # [rows * columns]; predictions [rows * columns, models]
        known = np.isfinite(truth)  # of several targets a row may lack some
        predictions, truth = predictions[known], truth[known]
        solutions = [_solve(predictions, truth)]
        if list(frames[0].columns) == ["prediction"] and predictions.min() > 0 and truth.min() > 0:
            solutions.append(_solve(np.log(predictions), np.log(truth)))
        found = [weights for weights in solutions if weights is not None]
        if not found:
            return only(best_model(library), len(frames))
        blended = [Combination(weights).predict(frames, library.task, library.target_codec) for weights in found]
        losses = [library.loss(frame) for frame in blended]
        return found[losses.index(min(losses))]


def _truth(target: pd.Series, frame: pd.DataFrame) -> np.ndarray:
    """What a perfect frame would hold, flattened: [rows * columns]."""
    if target.ndim == 2:
        parts = [_columns(target[name], columns_of(frame.columns, str(name))) for name in target]
        return np.concatenate(parts, axis=1).ravel()
    if list(frame.columns) == ["prediction"]:
        return target.to_numpy(dtype=np.float64)
    return _one_hot(target, frame.columns).ravel()


def _columns(target: pd.Series, names: Sequence[str]) -> np.ndarray:
    """What a perfect frame would hold of one of several targets, NaN where a row lacks it: [rows, names]."""
    if names == [target.name]:
        return target.to_numpy(dtype=np.float64)[:, None]  # [rows] -> [rows, 1]
    one_hot = _one_hot(f"{target.name}{SIGN}" + target.astype(str), names)
    one_hot[target.isna().to_numpy()] = np.nan
    return one_hot


def _one_hot(target: pd.Series, names: Iterable[Any]) -> np.ndarray:
    """float64 [rows, names]."""
    levels = target.map(str).to_numpy(dtype=object)
    same = levels[:, None] == np.array([str(name) for name in names], dtype=object)  # [rows, names]
    return same.astype(np.float64)


def _solve(predictions: np.ndarray, truth: np.ndarray) -> list[float] | None:
    """Weights of each column, summing to 1; None where no column helps."""
    from scipy.optimize import nnls

    # |Ax - b| and |Rx - Q'b| are least at the same x, and R is small: only the QR grows with the rows.
    orthogonal, triangular = np.linalg.qr(predictions)
    solution, _ = nnls(triangular, orthogonal.T @ truth)
    total = solution.sum()
    return [float(weight) for weight in solution / total] if total > 0 else None
