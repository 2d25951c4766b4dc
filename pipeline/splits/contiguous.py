"""Folds as runs of neighbouring rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.registry import settings
from pipeline.splits import splits
from pipeline.splits.rows import CountedFolds, even_blocks, require_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@splits.register("contiguous")
@settings
class Contiguous(CountedFolds):
    """Rows in file order, cut into runs: scikit-learn's ``KFold(folds)``.

    The book's split (Dive into Deep Learning, 5.7.6), but that it gives left-over rows to the
    first folds, where the book leaves them out.
    """

    folds: int = Field(default=5, ge=2)

    def assign(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        require_rows(self.name, len(rows), self.folds)
        return even_blocks(len(rows), self.folds)
