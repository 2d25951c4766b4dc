"""What the splits have in common: checks, and fewer folds where there are too few rows for all."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.types import Split

if TYPE_CHECKING:
    import pandas as pd


class CountedFolds(Split):
    """A split whose number of folds is a setting."""

    def assign_within(self, rows: pd.DataFrame, columns: Any, task_is_class: bool) -> np.ndarray:
        """In as many of its folds as the rows allow; ``without_folds`` where they allow no two."""
        part: Any = self
        for folds in range(min(self.folds, len(rows)), 1, -1):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # said of all rows already
                    fold = replace(part, folds=folds).assign(rows, columns, task_is_class)
            except UserError:
                continue
            if folds < self.folds:
                say(f"split {self.name}: a fold's rows allow {folds} folds, not {self.folds}, to cross-fit by")
            return fold
        say(f"split {self.name}: a fold's rows are too few, or too alike, to cross-fit by such folds")
        return self.without_folds(rows, columns)

    def without_folds(self, rows: pd.DataFrame, columns: Any) -> np.ndarray:
        """Fold of each row, int64 [rows]: dealt out at random, as rows that are all of one group must be."""
        return dealt(len(rows), self.folds)


@cache
def say(message: str) -> None:
    """Once a process, however many folds it is true of."""
    warnings.warn(message, stacklevel=3)


def dealt(rows: int, folds: int) -> np.ndarray:
    """Fold of each row, int64 [rows], at random and the same each time."""
    return np.random.default_rng(0).permutation(even_blocks(rows, folds))


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


def alike_by(split: str, name: str, rows: pd.DataFrame) -> np.ndarray:
    """Which rows have the same value in a column, int64 [rows], numbered as they come; where none stands a row is
    alike no other."""
    if name not in rows.columns:
        raise UserError(
            f"split {split}: alike: no column '{name}' in the training rows{did_you_mean(name, rows.columns)}"
        )
    values = rows[name]
    group = values.factorize()[0].astype(np.int64)  # [rows], -1 where none stands
    missing = np.flatnonzero(group < 0)
    group[missing] = group.max(initial=-1) + 1 + np.arange(len(missing))
    return group


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
