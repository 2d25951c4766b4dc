"""Category columns, each in the ways that suit how many levels it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.features.categories import Categories, Levels, number_tables, write_indicators
from pipeline.features.numbers import Scale, center_and_scale, rescaled
from pipeline.features.target_encoding import classes_of, cross_fitted, output_names, read_target, target_tables

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import InnerFolds, Schema

TABLES: tuple[Categories, ...] = ("ordinal", "count", "target")
"""Ways that give numbers looked up by level."""
ENDINGS = {"ordinal": "", "count": " count", "target": " mean target"}


@settings
class ManyLevels:
    """What becomes of category columns with more than ``above`` levels in fitting (missing and
    rare ones not counted): ``how`` is one of the ways of ``categories``, or several together."""

    above: int = Field(default=10, ge=0)
    how: Categories | tuple[Categories, ...]

    def __post_init__(self) -> None:
        if not self.ways:
            raise ValueError("how needs at least one way; leave columns out with none")

    @property
    def ways(self) -> tuple[Categories, ...]:
        return (self.how,) if isinstance(self.how, str) else tuple(dict.fromkeys(self.how))


def ways_used(categories: Categories, many: ManyLevels | None) -> set[Categories]:
    """Every way that some column may be encoded in."""
    return {categories, *(many.ways if many else ())}


class CategoryColumns:
    """Fitted category columns. ``state`` is plain JSON values.

    ways: which columns (by position in ``levels``) are encoded in each way.
    tables: by way and column, for each output one number a code, the last for unseen levels.
    scaling: center and spread of each of those outputs.
    """

    def __init__(self, state: Mapping[str, Any], scale: Scale, schema: Schema) -> None:
        self.state = state
        self.levels = [Levels(one) for one in state["levels"]]
        self.columns: dict[str, list[int]] = {way: list(which) for way, which in state["ways"].items()}
        self._scale, self._schema = scale, schema
        self._scaling = {way: np.array(pairs, dtype="float64") for way, pairs in state["scaling"].items()}
        self._tables = {way: self._scaled_tables(way) for way in state["tables"]}

    @classmethod
    def fit(
        cls,
        rows: pd.DataFrame,
        schema: Schema,
        *,
        categories: Categories,
        many: ManyLevels | None,
        rare: int,
        scale: Scale,
    ) -> CategoryColumns:
        """Fit on typed rows. Only the way ``target`` reads the target column."""
        ways: dict[str, list[int]] = {}
        levels: list[Levels] = []
        for name in schema.names("category") if ways_used(categories, many) != {"none"} else ():
            one = Levels.fit(name, rows[name], rare)
            chosen = many.ways if many and len(one.levels) > many.above else (categories,)
            if chosen == ("none",):
                continue
            for way in chosen:
                ways.setdefault(way, []).append(len(levels))
            levels.append(one)
        ways.pop("none", None)
        state: dict[str, Any] = {"levels": [one.state for one in levels], "ways": ways}
        state |= {"tables": {}, "scaling": {}, "outputs": 1}
        for way in TABLES:
            if way not in ways:
                continue
            some = [levels[j] for j in ways[way]]
            codes = [one.codes(rows[one.name]) for one in some]
            if way == "target":
                target = read_target(rows, schema)
                found = target_tables(np.column_stack(codes), some, target, classes_of(schema))
                tables, state["outputs"] = [table.tolist() for table in found], len(found[0])
            else:
                tables = [[table] for table in number_tables(some, way)]
            state["tables"][way] = tables
            state["scaling"][way] = [
                list(center_and_scale(np.array(one)[code], scale))
                for table, code in zip(tables, codes, strict=True)
                for one in table
            ]
        return cls(state, scale, schema)

    def _scaled_tables(self, way: str) -> list[np.ndarray]:
        """[outputs, codes + unseen] a column."""
        pairs, tables = self._scaling[way], []
        for table in self.state["tables"][way]:
            some, pairs = pairs[: len(table)], pairs[len(table) :]  # [outputs, 2]
            tables.append(rescaled(np.array(table, dtype="float64"), some[:, :1], some[:, 1:], self._scale))
        return tables

    def _of(self, way: str) -> list[int]:
        return self.columns.get(way, [])

    @property
    def native(self) -> list[Levels]:
        """The columns that are given as codes."""
        return [self.levels[j] for j in self._of("native")]

    def output_names(self) -> list[str]:
        """Names of the columns that ``write`` fills."""
        names = [name for j in self._of("one_hot") for name in self.levels[j].output_names()]
        for way in TABLES:
            for j in self._of(way):
                name = self.levels[j].name
                if way == "target" and self.state["outputs"] > 1:
                    names += [f"{name} mean of {one}" for one in output_names(self._schema)]
                else:
                    names.append(name + ENDINGS[way])
        return names

    def codes(self, rows: pd.DataFrame) -> list[np.ndarray]:
        """int32 [rows] a column."""
        return [one.codes(rows[one.name]) for one in self.levels]

    def crossed(self, rows: pd.DataFrame, codes: Sequence[np.ndarray], folds: InnerFolds) -> np.ndarray | None:
        """Target encoding of the rows fitted on, each from other rows' targets: float64 [rows, outputs].
        None where no column is encoded so."""
        which = self._of("target")
        if not which:
            return None
        target = read_target(rows, self._schema)
        some = np.column_stack([codes[j] for j in which])  # [rows, target columns]
        levels = [self.levels[j] for j in which]
        matrix = cross_fitted(some, levels, target, classes_of(self._schema), folds)
        pairs = self._scaling["target"]  # [target columns * outputs, 2]
        return rescaled(matrix, pairs[:, 0], pairs[:, 1], self._scale)

    def write(self, codes: Sequence[np.ndarray], crossed: np.ndarray | None, out: np.ndarray) -> None:
        """Fill ``out`` [rows, names], zero before, from codes int32 [rows] a column; ``crossed``
        stands in for the table of ``target``."""
        one_hot = self._of("one_hot")
        sizes = [self.levels[j].size for j in one_hot]
        at = sum(sizes)
        write_indicators([codes[j] for j in one_hot], sizes, out[:, :at])
        for way in TABLES:
            if way == "target" and crossed is not None:
                out[:, at : at + crossed.shape[1]] = crossed
                at += crossed.shape[1]
                continue
            for j, table in zip(self._of(way), self._tables.get(way, ()), strict=True):
                out[:, at : at + len(table)] = table[:, codes[j]].T  # [outputs, rows] -> [rows, outputs]
                at += len(table)

    def native_codes(self, codes: Sequence[np.ndarray], rows: int) -> np.ndarray:
        """int64 [rows, native columns]: 0 for missing and unseen levels, 1 and on for the levels."""
        which = self._of("native")
        out = np.zeros((rows, len(which)), dtype=np.int64)
        for at, j in enumerate(which):
            out[:, at] = np.where(codes[j] < self.levels[j].known, codes[j] + 1, 0)
        return out
