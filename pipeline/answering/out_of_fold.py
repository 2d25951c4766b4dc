"""Out-of-fold predictions: the guard against leaks, and the parts that make a second level's score honest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.core.errors import UserError
from pipeline.core.types import FOLD, ROW
from pipeline.core.weighting.importance import weighted_score

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PARTS_OF_ONE_FOLD = 5


def guarded(tables: Mapping[str, pd.DataFrame], fold: np.ndarray) -> tuple[np.ndarray, list[pd.DataFrame]]:
    """Positions [rows] that every model predicted, and each model's predictions of them, once they are
    known to be out of fold: nothing that learns from predictions may see one of a row its model
    trained on.

    tables: by model, with ``ROW`` (position), ``FOLD`` (that did not train on it) and the predictions.
    fold: validation fold of every training row, -1 for rows that are never validated.
    Raises UserError for a row twice, missing, unknown, never validated, or predicted in a fold that
    trained on it.
    """
    import numpy as np

    expected = np.flatnonzero(fold >= 0)
    for name, table in tables.items():
        row, told = table[ROW].to_numpy(), table[FOLD].to_numpy()
        again = "; run `dvc repro`"
        if len(row) and (row.min() < 0 or row.max() >= len(fold)):
            raise UserError(f"{name}: predicts rows {row.min()} to {row.max()} of {len(fold)} training rows{again}")
        if len(leaked := np.flatnonzero(told != fold[row])):
            at = row[leaked[0]]
            raise UserError(
                f"{name}: a prediction must come from the fold that did not train on its row, "
                f"got row {at} of fold {fold[at]} predicted in fold {told[leaked[0]]}{again}"
            )
        if not np.array_equal(row, expected):
            raise UserError(
                f"{name}: out-of-fold predictions must be of every validated row once, in order, "
                f"got {len(row)} for {len(expected)} rows{again}"
            )
    return expected, [table.drop(columns=[ROW, FOLD]) for table in tables.values()]


def parts_of(fold: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each fold the positions of all other rows, and of its own.

    fold: int [rows]. Where all rows are of one fold (a single hold-out), every fifth row stands
    for a fold; a lone row (a text that is one row) stands for the others too.
    """
    import numpy as np

    if len(fold) == 1:
        return [(np.zeros(1, np.int64), np.zeros(1, np.int64))]
    parts = np.unique(fold, return_inverse=True)[1]
    if parts.max(initial=0) == 0:
        parts = np.arange(len(fold)) % min(PARTS_OF_ONE_FOLD, len(fold))
    return [(np.flatnonzero(parts != part), np.flatnonzero(parts == part)) for part in range(int(parts.max()) + 1)]


def fold_scores(
    score: Callable[[pd.Series, pd.DataFrame], float],
    target: pd.Series,
    predictions: pd.DataFrame,
    fold: np.ndarray,
    weights: np.ndarray | None = None,
) -> list[float]:
    """The metric of each fold's rows alone, in the folds' order; all paired by position. weights: how much each row
    counts; None: all alike."""
    import numpy as np

    scores = []
    for k in np.unique(fold):
        rows = np.flatnonzero(fold == k)
        truth, told = target.iloc[rows].reset_index(drop=True), predictions.iloc[rows].reset_index(drop=True)
        if weights is None:
            scores.append(score(truth, told))
        else:
            scores.append(weighted_score(score, truth, told, weights[rows]))
    return scores
