"""What the splits have in common: checks, and who trains for a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


class EveryOtherRow:
    """A fold trains on all rows that it does not validate."""

    name: ClassVar[str]
    column: ClassVar[str | None] = None

    def training_rows(self, fold: np.ndarray, k: int) -> np.ndarray:
        """Boolean mask [rows]; rows that are never validated (-1) train for every fold."""
        return fold != k


def require_rows(split: str, rows: int, folds: int) -> None:
    if rows < folds:
        raise UserError(f"split {split}: needs at least as many rows as folds, got {rows} rows for {folds} folds")


def required_column(split: str, key: str, rows: pd.DataFrame, columns: Any) -> pd.Series:
    """The column that ``columns.<key>`` names, with no value missing but for ``fold``."""
    name = getattr(columns, key)
    if name is None:
        raise UserError(f"split {split}: needs the setting columns.{key}, which names the column to split by")
    if name not in rows.columns:
        raise UserError(f"columns.{key}: no column '{name}' in the training rows{did_you_mean(name, rows.columns)}")
    values = rows[name]
    if key != "fold" and values.isna().any():
        missing = values.isna().to_numpy()
        raise UserError(
            f"columns.{key}: column '{name}' needs a value in every row for the split {split}, "
            f"got {int(missing.sum())} missing, the first in row {int(missing.argmax()) + 2}"
        )
    return values


def even_blocks(rows: int, folds: int) -> np.ndarray:
    """Fold of each place, int64 [rows]: runs as even as can be, the longer ones first."""
    sizes = np.full(folds, rows // folds, dtype=np.int64)
    sizes[: rows % folds] += 1
    return np.repeat(np.arange(folds, dtype=np.int64), sizes)


def folds_of(assignments: Any, rows: int) -> np.ndarray:
    """Fold of each row, int64 [rows], from scikit-learn's (training rows, validation rows) pairs."""
    fold = np.full(rows, -1, dtype=np.int64)
    for k, (_, valid) in enumerate(assignments):
        fold[valid] = k
    return fold
