"""Folds drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import CountedFolds, even_blocks, require_rows

if TYPE_CHECKING:
    import pandas as pd


@splits.register("shuffled")
@settings
class Shuffled(CountedFolds):
    """scikit-learn's ``KFold(folds, shuffle=True, random_state=seed)``, row for row."""

    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0, lt=2**32)

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        require_rows(self.name, len(rows), self.folds)
        order = np.arange(len(rows))
        np.random.RandomState(self.seed).shuffle(order)
        fold = np.empty(len(rows), dtype=np.int64)
        fold[order] = even_blocks(len(rows), self.folds)
        return fold
