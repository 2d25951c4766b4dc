"""Number columns made of others: sums, differences, ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import settings

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


@settings
class Combination:
    """``(sum of add - sum of subtract) / sum of divide_by``, of number columns.

    Each is a list of columns, or columns with a weight: ``{FullBath: 1, HalfBath: 0.5}``.
    In a plain sum a missing value counts as 0 (no basement, no area), and the sum is missing
    where all of it is. With ``subtract`` or ``divide_by`` any missing value makes the result
    missing, as a date minus nothing is no age; so does a division by 0.
    """

    add: tuple[str, ...] | Mapping[str, float] = ()
    subtract: tuple[str, ...] | Mapping[str, float] = ()
    divide_by: tuple[str, ...] | Mapping[str, float] = ()

    def __post_init__(self) -> None:
        if not self.add and not self.subtract:
            raise ValueError("a combination needs columns to add or subtract")

    def columns(self) -> list[str]:
        return [*self.add, *self.subtract, *self.divide_by]

    def compute(self, rows: pd.DataFrame) -> np.ndarray:
        """float64 [rows]."""
        lenient = not self.subtract and not self.divide_by
        value = _sum(rows, self.add, lenient)
        if self.subtract:
            value = value - _sum(rows, self.subtract, lenient)
        if self.divide_by:
            divisor = _sum(rows, self.divide_by, lenient)
            value = np.divide(value, divisor, out=np.full(len(rows), np.nan), where=divisor != 0)
        return value


def _sum(rows: pd.DataFrame, columns: tuple[str, ...] | Mapping[str, float], lenient: bool) -> np.ndarray:
    total = np.zeros(len(rows))
    absent = np.full(len(rows), len(columns) > 0)
    weights = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, 1.0)
    for name, weight in weights.items():
        values = rows[name].to_numpy(dtype="float64")
        missing = np.isnan(values)
        total += weight * (np.where(missing, 0.0, values) if lenient else values)
        absent &= missing
    total[absent] = np.nan
    return total


def check_combinations(combine: Mapping[str, Combination], schema: Schema) -> None:
    """Refuse a combination that takes a column's name, or names no number column."""
    numbers = schema.names("number")
    for name, combination in combine.items():
        if name in schema.names("number", "category", "text") or name in (schema.id, *schema.target_names):
            raise UserError(f"combine.{name}: there is a column '{name}' already; choose another name")
        for column in combination.columns():
            if column not in numbers:
                raise UserError(f"combine.{name}: no number column '{column}'{did_you_mean(column, numbers)}")
