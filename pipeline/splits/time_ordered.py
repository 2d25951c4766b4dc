"""Folds that only ever predict the future."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import CountedFolds, required_column

if TYPE_CHECKING:
    import pandas as pd


@splits.register("time_ordered")
@settings
class TimeOrdered(CountedFolds):
    """Rows by ``columns.time`` in folds + 1 blocks: each block is validated by what was learned
    from all blocks before it, and the first is never validated (scikit-learn's
    ``TimeSeriesSplit(folds)``, on sorted rows). Rows of the same time stay in one block.

    The column may hold numbers, dates, or texts of either.
    """

    column: ClassVar[str] = "time"

    folds: int = Field(default=5, ge=2)

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        column = required_column(self.name, self.column, rows, columns)
        times = times_of(self.name, column)
        length = len(times) // (self.folds + 1)
        if length == 0:
            raise UserError(
                f"split {self.name}: needs more rows than folds, got {len(rows)} rows for {self.folds} folds"
            )
        _, moment, counts = np.unique(times, return_inverse=True, return_counts=True)
        place = (np.cumsum(counts) - counts)[moment]  # of the first row of that time, in time order: [rows]
        begins = len(times) - length * np.arange(self.folds, 0, -1)  # where each validated block begins
        fold = np.searchsorted(begins, place, side="right").astype(np.int64) - 1
        empty = sorted(set(range(-1, self.folds)) - set(fold.tolist()))
        if empty:
            raise UserError(
                f"split {self.name}: {self.folds} folds need {self.folds + 1} blocks of different times, but column "
                f"'{column.name}' has {len(counts)} different times, too unevenly spread; use fewer folds"
            )
        return fold

    def training_rows(self, fold: np.ndarray, k: int) -> np.ndarray:
        """Boolean mask [rows] of the rows in blocks before block ``k``."""
        return fold < k

    def without_folds(self, rows: pd.DataFrame, columns: Any) -> np.ndarray:
        """Two blocks: the rows of the first time, and all later ones."""
        times = times_of(self.name, required_column(self.name, self.column, rows, columns))
        return (times > times.min()).astype(np.int64) - 1


def times_of(split: str, column: pd.Series) -> np.ndarray:
    """Times as numbers or datetime64, [rows]."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return column.to_numpy()
    numeric = pd.to_numeric(column, errors="coerce")
    if numeric.notna().all():
        return numeric.to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # day first is fine, as long as every row is read alike
        dates = pd.to_datetime(column, errors="coerce", utc=True)
    if dates.isna().any():
        row = int(dates.isna().to_numpy().argmax())
        raise UserError(
            f"split {split}: column '{column.name}' needs numbers or dates of one form, "
            f"got {column.iloc[row]!r} in row {row + 2}"
        )
    return dates.dt.tz_localize(None).to_numpy()
