"""Folds drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import CountedFolds, alike_by, even_blocks, folds_of, require_rows

if TYPE_CHECKING:
    import pandas as pd


@splits.register("shuffled")
@settings
class Shuffled(CountedFolds):
    """scikit-learn's ``KFold(folds, shuffle=True, random_state=seed)``, row for row.

    alike: a column, which stays a feature: rows of the same value in it (the translations of one sentence, a text and
        its copies) stay in one fold. Each fold then has as many different values: ``GroupKFold``, shuffled by ``seed``.
    """

    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0, lt=2**32)
    alike: str | None = None

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        require_rows(self.name, len(rows), self.folds)
        if self.alike is not None:
            return self._together(alike_by(self.name, self.alike, rows))
        order = np.arange(len(rows))
        np.random.RandomState(self.seed).shuffle(order)
        fold = np.empty(len(rows), dtype=np.int64)
        fold[order] = even_blocks(len(rows), self.folds)
        return fold

    def _together(self, group: np.ndarray) -> np.ndarray:
        """group: int64 [rows]."""
        from sklearn.model_selection import GroupKFold

        if (values := int(group.max(initial=-1)) + 1) < self.folds:
            raise UserError(
                f"split {self.name}: needs at least as many different values as folds, column '{self.alike}' has "
                f"{values} for {self.folds} folds"
            )
        split = GroupKFold(self.folds, shuffle=True, random_state=self.seed)
        return folds_of(split.split(np.zeros(len(group)), groups=group), len(group))
