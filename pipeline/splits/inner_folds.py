"""The competition's split once more, within the rows that something is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.types import Split

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SplitWithin:
    """The ``InnerFolds`` of some rows: what is cross-fitted on them keeps groups together, and time in
    its order, as the competition's folds do. Split only when called.

    rows: what the split may read of them.
    """

    split: Split
    rows: pd.DataFrame
    columns: Any
    task_is_class: bool

    def __call__(self) -> list[tuple[np.ndarray, np.ndarray]]:
        fold = self.split.assign_within(self.rows, self.columns, self.task_is_class)
        return [
            (np.flatnonzero(self.split.training_rows(fold, k)), np.flatnonzero(fold == k))
            for k in range(int(fold.max(initial=-1)) + 1)
        ]


def split_within(
    split: Split, rows: pd.DataFrame, columns: Any, task_is_class: bool, index: np.ndarray | None = None
) -> SplitWithin:
    """Of the typed rows at ``index`` (None: all), of which it keeps the columns that a split may read."""
    read = [
        name
        for name in (*columns.targets, columns.group, columns.time, columns.fold, split.alike)
        if name in rows.columns
    ]
    kept = rows[list(dict.fromkeys(read))]
    return SplitWithin(
        split, kept.copy() if index is None else kept.iloc[index].reset_index(drop=True), columns, task_is_class
    )
