"""One's own folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import EveryOtherRow, required_column

if TYPE_CHECKING:
    import pandas as pd


@splits.register("column")
@settings
class Column(EveryOtherRow):
    """Folds as ``columns.fold`` has them: whole numbers or any labels, numbered in sorted order.

    Rows with -1 or no value train for every fold and are never validated. Two labels make two
    folds; a single label beside such rows is a hold-out.
    """

    column: ClassVar[str] = "fold"
    folds: ClassVar[int] = 0
    """Unknown before the rows are seen; afterwards the largest fold number + 1."""

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        import pandas as pd

        column = required_column(self.name, self.column, rows, columns)
        labels = column.astype(object)
        numeric = pd.to_numeric(labels, errors="coerce")
        if (numeric.isna() == labels.isna()).all():  # every label is a number: "10" comes after "9"
            labels = numeric
        else:
            labels = labels.where(labels.isna(), labels.astype(str))
        labels = labels.mask((labels == -1) | (labels == "-1"))
        fold, levels = labels.factorize(sort=True)  # -1 where missing
        if len(levels) == 0 or (len(levels) == 1 and (fold >= 0).all()):
            raise UserError(
                f"columns.fold: column '{column.name}' needs at least two folds, or one and rows that are only "
                f"trained on (-1 or empty), got {[str(level) for level in levels]}"
            )
        return fold.astype(np.int64)
