"""The number columns of a table: its own, and those made of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.features.chosen import choose
from pipeline.features.combine import Combination
from pipeline.features.groups import Group, GroupStatistic, fit_groups
from pipeline.features.target_encoding import classes_of, read_target

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


class NumberColumns:
    """Number columns in order: the schema's, named combinations, chosen ones, group statistics.

    state: ``chosen`` combinations and ``groups`` as fitted, plain JSON values.
    """

    def __init__(self, state: Mapping[str, Any], schema: Schema, combine: Mapping[str, Combination]) -> None:
        self.state = state
        self._own = schema.names("number")
        chosen = {name: Combination(**one) for name, one in state["chosen"]}
        self._combine = {**{name: combine[name] for name in sorted(combine)}, **chosen}
        self._groups = {name: GroupStatistic(one) for name, one in state["groups"].items()}

    @classmethod
    def fit(
        cls,
        rows: pd.DataFrame,
        schema: Schema,
        *,
        combine: Mapping[str, Combination],
        chosen: int,
        groups: Mapping[str, Group],
        seed: int,
    ) -> NumberColumns:
        """Reads the target column only where ``chosen`` is above 0."""
        state: dict[str, Any] = {"chosen": [], "groups": fit_groups(groups, rows)}
        if chosen:
            columns = {name: rows[name].to_numpy(dtype="float64") for name in schema.names("number")}
            target = read_target(rows, schema, "chosen")
            found = choose(chosen, columns, target, classes_of(schema), seed)
            # In their order, which a mapping loses on its way through JSON with sorted keys.
            state["chosen"] = [[name, one] for name, one in found.items() if name not in combine]
        return cls(state, schema, combine)

    def names(self) -> list[str]:
        return [*self._own, *self._combine, *self._groups]

    def read(self, rows: pd.DataFrame) -> list[np.ndarray]:
        """float64 [rows] a column, NaN where missing."""
        columns = [rows[name].to_numpy(dtype="float64") for name in self._own]
        columns += [combination.compute(rows) for combination in self._combine.values()]
        columns += [group.compute(rows) for group in self._groups.values()]
        return columns
