"""Folds that keep groups together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import CountedFolds, folds_of, require_rows, required_column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@splits.register("grouped")
@settings
class Grouped(CountedFolds):
    """All rows of a group (``columns.group``) are in one fold: scikit-learn's ``GroupKFold``.

    shuffle: deal the groups out at random by ``seed``, instead of the largest first to the
    smallest fold, which evens out the folds' sizes.
    """

    column: ClassVar[str] = "group"

    folds: int = Field(default=5, ge=2)
    shuffle: bool = False
    seed: int = Field(default=0, ge=0, lt=2**32)

    def __post_init__(self) -> None:
        if self.seed and not self.shuffle:
            raise ValueError(
                "seed is of shuffled groups, and these are dealt by size; set shuffle: true, or leave it out"
            )

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        import numpy as np
        from sklearn.model_selection import GroupKFold

        require_rows(self.name, len(rows), self.folds)
        column = required_column(self.name, self.column, rows, columns)
        groups, levels = column.factorize(sort=True)  # groups: int64 [rows]
        if len(levels) < self.folds:
            raise UserError(
                f"split {self.name}: needs at least as many groups as folds, column '{column.name}' has "
                f"{len(levels)} groups for {self.folds} folds"
            )
        split = GroupKFold(self.folds, shuffle=self.shuffle, random_state=self.seed if self.shuffle else None)
        return folds_of(split.split(np.zeros(len(rows)), groups=groups), len(rows))
