"""One's own folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Split
from pipeline.splits import splits
from pipeline.splits.rows import dealt, required_column, say

if TYPE_CHECKING:
    import pandas as pd

DEALT = 5
"""Folds of rows without a label, inside a fold."""


@splits.register("column")
@settings
class Column(Split):
    """Folds as ``columns.fold`` has them: whole numbers or any labels, numbered in sorted order.

    Rows with -1 or no value train for every fold and are never validated. Two labels make two
    folds; a single label beside such rows is a hold-out.
    """

    column: ClassVar[str] = "fold"

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        column = required_column(self.name, self.column, rows, columns)
        fold, levels = self._numbered(column)
        if len(levels) == 0 or (len(levels) == 1 and (fold >= 0).all()):
            raise UserError(
                f"columns.fold: column '{column.name}' needs at least two folds, or one and rows that are only "
                f"trained on (-1 or empty), got {[str(level) for level in levels]}"
            )
        return fold

    def assign_within(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """By the labels too; rows without one are dealt out at random among folds of their own, and so
        are all where there is but one label."""
        fold, levels = self._numbered(required_column(self.name, self.column, rows, columns))
        if len(levels) == 1 and (fold >= 0).all():
            say(f"split {self.name}: a fold's rows all have one label, so others at random cross-fit them")
            return dealt(len(rows), DEALT)
        loose = fold < 0
        fold[loose] = len(levels) + dealt(int(loose.sum()), DEALT)
        return fold

    def _numbered(self, column: pd.Series) -> tuple[np.ndarray, Any]:
        """Fold of each row, int64 [rows], and the label of each fold."""
        import pandas as pd

        labels = column.astype(object)
        numeric = pd.to_numeric(labels, errors="coerce")
        if (numeric.isna() == labels.isna()).all():  # every label is a number: "10" comes after "9"
            labels = numeric
        else:
            labels = labels.where(labels.isna(), labels.astype(str))
        labels = labels.mask((labels == -1) | (labels == "-1"))
        fold, levels = labels.factorize(sort=True)  # -1 where missing
        return fold.astype(np.int64), levels
