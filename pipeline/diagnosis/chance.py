"""What may be by chance: intervals over folds, and many tests at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def interval(values: Sequence[float], sure: float = 0.95) -> tuple[float, float] | None:
    """Of the mean of folds' numbers, by the corrected resampled t-test (Nadeau and Bengio 2003), which knows that
    folds train on much the same rows; None of fewer than two."""
    from scipy.stats import t

    folds = len(values)
    if folds < 2:
        return None
    half = float(t.ppf((1 + sure) / 2, folds - 1)) * (variance(values) * (1 / folds + 1 / (folds - 1))) ** 0.5
    return fmean(values) - half, fmean(values) + half


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Corrected p-values [tests]: the chance of any so small one among all these tests (Holm 1979)."""
    import numpy as np

    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
