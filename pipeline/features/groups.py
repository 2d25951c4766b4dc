"""Statistics of a number column within groups of rows, from the rows fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.registry import settings
from pipeline.features.categories import Levels

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema

Statistic = Literal["mean", "std", "median", "min", "max", "count", "difference_from_mean", "ratio_to_mean"]
AGAINST_MEAN = ("difference_from_mean", "ratio_to_mean")


@settings
class Group:
    """A statistic of ``of``, a number column, over the rows that share their value of ``by``, one
    column or several (categories, or numbers with few values; missing is a value of its own).

    ``count`` needs no ``of``: it counts rows. A group never seen, or with no value of ``of``, gets
    the statistic of all rows (count 0). Against the mean: the row's own value minus it, or divided by
    it; missing where the value is.
    """

    by: str | tuple[str, ...]
    of: str | None = None
    statistic: Statistic = "mean"

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("a group needs at least one column under by")
        if (self.of is None) != (self.statistic == "count"):
            raise ValueError("a group needs a number column under of, except to count rows")

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.by,) if isinstance(self.by, str) else self.by


def check_groups(groups: Mapping[str, Group], schema: Schema, taken: Sequence[str]) -> None:
    """Refuse a group that takes another column's name, or reads a column that is not there."""
    numbers, categories = schema.names("number"), schema.names("category")
    for name, group in groups.items():
        if name in taken or name in (schema.id, *schema.target_names):
            raise UserError(f"groups.{name}: there is a column '{name}' already; choose another name")
        for column in group.keys:
            if column not in [*numbers, *categories]:
                known = did_you_mean(column, [*categories, *numbers])
                raise UserError(f"groups.{name}.by: no category or number column '{column}'{known}")
        if group.of is not None and group.of not in numbers:
            raise UserError(f"groups.{name}.of: no number column '{group.of}'{did_you_mean(group.of, numbers)}")


def fit_groups(groups: Mapping[str, Group], rows: pd.DataFrame) -> dict[str, Any]:
    """State of each ``GroupStatistic`` by name, in the names' order."""
    return {name: _fit(groups[name], rows) for name in sorted(groups)}


def _fit(group: Group, rows: pd.DataFrame) -> dict[str, Any]:
    import pandas as pd

    levels = [Levels.fit(name, _texts(rows[name]), 0).state for name in group.keys]
    keys = _keys([Levels(one) for one in levels], rows)
    statistic = "mean" if group.statistic in AGAINST_MEAN else group.statistic
    overall: float | None = 0.0
    if group.of is None:
        found, counts = np.unique(keys, return_counts=True)
        values = pd.Series(counts, index=found, dtype="float64")
    else:
        column = pd.Series(rows[group.of].to_numpy(dtype="float64"))
        values = column.groupby(keys).agg(statistic).dropna()  # in the keys' order
        of_all = float(column.agg(statistic))
        overall = None if np.isnan(of_all) else of_all
    return {
        "of": group.of,
        "statistic": group.statistic,
        "levels": levels,
        "keys": values.index.tolist(),
        "values": values.tolist(),
        "overall": overall,
    }


def _texts(column: pd.Series) -> pd.Series:
    """``str`` [rows] of a category or a number column; missing stays missing."""
    if column.dtype.kind == "f":
        return column.astype(object).map(repr, na_action="ignore").astype("str")
    return column


def _keys(levels: Sequence[Levels], rows: pd.DataFrame) -> np.ndarray:
    """int64 [rows]: one number a group; -1 where a value was never seen."""
    keys = np.zeros(len(rows), dtype=np.int64)
    unseen = np.zeros(len(rows), dtype=bool)
    for one in levels:
        codes = one.codes(_texts(rows[one.name]))
        unseen |= codes < 0
        keys = keys * one.size + codes
    return np.where(unseen, -1, keys)


class GroupStatistic:
    """A fitted ``Group``, from its state: the groups' ``keys`` in order and their ``values``."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state
        self._levels = [Levels(one) for one in state["levels"]]
        self._keys = np.array(state["keys"], dtype="int64")
        overall = np.nan if state["overall"] is None else state["overall"]
        self._values = np.array([*state["values"], overall], dtype="float64")  # [groups + unseen]

    def compute(self, rows: pd.DataFrame) -> np.ndarray:
        """float64 [rows]."""
        keys = _keys(self._levels, rows)
        at = np.searchsorted(self._keys, keys)
        known = np.append(self._keys, -2)[at] == keys
        value = self._values[np.where(known, at, len(self._keys))]  # [groups + unseen] -> [rows]
        if self.state["statistic"] not in AGAINST_MEAN:
            return value
        own = rows[self.state["of"]].to_numpy(dtype="float64")
        if self.state["statistic"] == "difference_from_mean":
            return own - value
        return np.divide(own, value, out=np.full(len(rows), np.nan), where=value != 0)
