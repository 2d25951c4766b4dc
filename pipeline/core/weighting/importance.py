"""Rows that count as often as their importance weights say, whatever it is that counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OFTEN, MOST = 4, 100_000
"""How often a row of weight 1 stands there at most, and all rows together: the more the finer."""


def repeated(weights: np.ndarray) -> np.ndarray:
    """Positions of rows, each as often as its weight says, int64 in ascending order.

    A metric, a blend, a calibration or a threshold that counts these rows counts the weighted ones, and need not know
    of weights, but of ``copies`` where it asks how many rows there are. Rows are drawn at even steps of the weights'
    running sum (systematic resampling, Kitagawa 1996), so that each count is off by less than one.

    weights: [rows], 0 or more, some above 0.
    """
    import numpy as np

    often = min(OFTEN, max(1, MOST // len(weights)))
    reached = np.floor(np.cumsum(weights / weights.mean()) * often + 0.5)
    counts: np.ndarray = np.diff(reached, prepend=0).astype(np.int64)
    return np.repeat(np.arange(len(weights)), counts)


def copies(weights: np.ndarray, rows: np.ndarray) -> float:
    """How many of the rows that ``repeated`` gave of these weights are one row as ``effective`` counts them: what a
    penalty or a draw is told in rows is to be told in as many of them."""
    return len(rows) / (effective(weights) * len(weights))


def weighted_score(
    score: Callable[[Any, pd.DataFrame], float], target: Any, predictions: pd.DataFrame, weights: np.ndarray
) -> float:
    """A metric of rows drawn as the weights say: importance-weighted validation (Sugiyama, Krauledat and Müller 2007).

    target: Series [rows], or DataFrame [rows, targets]. weights: [rows].
    """
    index = repeated(weights)
    return score(target.iloc[index].reset_index(drop=True), predictions.iloc[index].reset_index(drop=True))


def effective(weights: np.ndarray) -> float:
    """As how many rows of one weight they count (Kish 1965), as a part of all."""
    return float(weights.sum() ** 2 / (len(weights) * (weights**2).sum()))
