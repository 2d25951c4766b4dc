"""The honest predictions of a blend: on every row by weights that never saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.blends.scoring import Average, blended
from pipeline.core.types import Blend

if TYPE_CHECKING:
    import pandas as pd

PARTS_OF_ONE_FOLD = 5


def cross_fitted(
    frames: Sequence[pd.DataFrame],
    target: pd.Series,
    fold: np.ndarray,
    blend: Blend,
    score: Callable[[pd.DataFrame, pd.Series], float],
    average: Average,
    higher_is_better: bool,
) -> pd.DataFrame:
    """Blend each fold's rows with weights chosen on the other folds' rows.

    frames: each model's out-of-fold predictions, [rows, columns], paired by position.
    fold: int [rows]. Where all rows are of one fold (a single hold-out), every fifth row
    stands for a fold.
    score: ``score(predictions, target)``.
    Gives one prediction a row, in the rows' order, index from 0.
    """
    import pandas as pd

    parts = np.unique(fold, return_inverse=True)[1]
    if parts.max(initial=0) == 0:
        parts = np.arange(len(fold)) % min(PARTS_OF_ONE_FOLD, len(fold))
    pieces = []
    for part in range(int(parts.max()) + 1):
        rows, others = np.flatnonzero(parts == part), np.flatnonzero(parts != part)
        truth = target.iloc[others].reset_index(drop=True)
        seen = [frame.iloc[others].reset_index(drop=True) for frame in frames]

        def score_others(frame: pd.DataFrame, truth: pd.Series = truth) -> float:
            return score(frame, truth)

        weights = blend.weights(seen, truth, score_others, average, higher_is_better)
        piece = blended([frame.iloc[rows] for frame in frames], weights, average)
        pieces.append(piece.set_axis(rows))
    return pd.concat(pieces).sort_index(kind="stable")
