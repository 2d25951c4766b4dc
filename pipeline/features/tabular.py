"""Tables: number and category columns to one matrix, or to numbers and category codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.core.types import Encoded, Schema, Spec
from pipeline.features import features
from pipeline.features.categories import (
    Categories,
    Levels,
    cross_fitted,
    fit_target_tables,
    number_tables,
    write_indicators,
)
from pipeline.features.combine import Combination, check_combinations
from pipeline.features.numbers import Missing, Numbers, Scale, Transform, center_and_scale

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 8192
"""Rows written at a time, so that a block of the output stays in the processor's cache."""


@features.register("tabular")
@settings
class Tabular:
    """Numbers standardised and filled, categories to indicators: the book's way (D2L 5.7).

    Gives ``numbers`` float [rows, columns]; with ``categories: native`` also ``categories``
    int64 [rows, columns], 0 for missing and unseen levels, 1 and on for the levels.

    scale: ``standard`` (mean 0, deviation 1), ``robust`` (median 0, interquartile range 1);
        of the values present. Ordinal, count and target columns are scaled too, indicators not.
    transform: before scaling, ``yeo_johnson`` or ``quantile`` (to a normal distribution).
    missing: what fills a missing number: mean, median or most frequent of its (transformed)
        column, ``zero`` in its own units, or ``keep`` it NaN.
    missing_flags: a 0/1 column for each number column with missing values in fitting.
    categories: ``one_hot`` (missing is a level of its own where seen in fitting, an unseen
        level is all zeros), ``ordinal`` (rank of the level, -1 for missing and unseen),
        ``native`` (codes, for trees), ``target`` (mean target, cross-fitted on training rows),
        ``count`` (rows in fitting with that level), ``none`` (leave them out).
    rare: levels seen fewer times than this in fitting are folded into one.
    combine: new number columns from sums, differences and ratios of others.
    statistics: rows the encoder is fitted on: the fold's training rows, or, as the book does,
        all rows of the train and test files.
    precision: ``single`` (float32), or ``double`` (float64) for solvers that want every digit.
    """

    kinds: ClassVar[tuple[str, ...]] = ("number", "category")

    scale: Scale = "standard"
    transform: Transform = "none"
    missing: Missing = "mean"
    missing_flags: bool = False
    categories: Categories = "one_hot"
    rare: int = Field(default=0, ge=0)
    combine: Mapping[str, Combination] = Field(default_factory=dict)
    statistics: Literal["training", "train_and_test"] = "training"
    precision: Literal["single", "double"] = "single"

    def __post_init__(self) -> None:
        if self.categories == "target" and self.statistics != "training":
            raise ValueError("categories: target reads the target, which test rows lack; use statistics: training")

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"numbers", "categories"} if self.categories == "native" else {"numbers"})

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> TabularEncoder:
        """Fit on typed rows. Only ``categories: target`` reads the target column.

        Raises UserError where there is no column to encode or a combination names none.
        """
        check_combinations(self.combine, schema)
        names = schema.names("number") + sorted(self.combine)
        category_names = schema.names("category") if self.categories != "none" else []
        if not names and not category_names:
            raise UserError("features: tabular needs a number or category column, and the schema has neither")
        numbers = Numbers.fit(
            names,
            [number_column(rows, name, self.combine) for name in names],
            scale=self.scale,
            transform=self.transform,
            missing=self.missing,
            flags=self.missing_flags,
            seed=seed,
        )
        levels = [Levels.fit(name, rows[name], self.rare) for name in category_names]
        state: dict[str, Any] = {"numbers": numbers.state, "levels": [one.state for one in levels], "seed": seed}
        if levels and self.categories in ("ordinal", "count", "target"):
            state.update(self._fit_tables(rows, schema, levels, seed))
        return TabularEncoder(self, schema, state)

    def _fit_tables(self, rows: pd.DataFrame, schema: Schema, levels: list[Levels], seed: int) -> dict[str, Any]:
        codes = [one.codes(rows[one.name]) for one in levels]
        outputs = 1
        if self.categories == "target":
            target = _target(rows, schema)
            tables, outputs = fit_target_tables(np.column_stack(codes), levels, target, len(schema.classes), seed)
        else:
            tables = [[table] for table in number_tables(levels, self.categories)]
        scaling = [
            [list(center_and_scale(np.array(one)[code], self.scale)) for one in table]
            for table, code in zip(tables, codes, strict=True)
        ]
        return {
            "tables": tables,
            "outputs": outputs,
            "scaling": [[list(pair) for pair in column] for column in scaling],
        }

    def restore(self, state: Mapping[str, Any], schema: Schema) -> TabularEncoder:
        return TabularEncoder(self, schema, state)


@features.register("categorical")
@settings
class Categorical:
    """For trees: raw numbers with NaN kept (``numbers``) and category codes (``categories``).

    rare, combine, statistics: as in ``tabular``.
    """

    kinds: ClassVar[tuple[str, ...]] = ("number", "category")

    rare: int = Field(default=0, ge=0)
    combine: Mapping[str, Combination] = Field(default_factory=dict)
    statistics: Literal["training", "train_and_test"] = "training"

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"numbers", "categories"})

    def _tabular(self) -> Tabular:
        # Trees split between values that float32 would make one (large amounts, precise times).
        return Tabular(
            scale="none",
            missing="keep",
            categories="native",
            rare=self.rare,
            combine=self.combine,
            statistics=self.statistics,
            precision="double",
        )

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> TabularEncoder:
        return self._tabular().fit(rows, schema, seed)

    def restore(self, state: Mapping[str, Any], schema: Schema) -> TabularEncoder:
        return self._tabular().restore(state, schema)


class TabularEncoder:
    """A fitted ``Tabular``: made of its settings and its state alone."""

    def __init__(self, settings: Tabular, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings = settings
        self._schema = schema
        self._state = dict(state)
        self._numbers = Numbers(state["numbers"])
        self._levels = [Levels(one) for one in state["levels"]]
        # [outputs, codes + unseen] a column, scaled; the last entry is for code -1.
        self._tables = [
            np.stack([(np.array(one) - center) / scale for one, (center, scale) in zip(table, scaling, strict=True)])
            for table, scaling in zip(state.get("tables", ()), state.get("scaling", ()), strict=True)
        ]
        names = self._numbers.output_names() + self._category_names()
        native = settings.categories == "native"
        shapes: dict[str, tuple[int, ...]] = {"numbers": (len(names),)}
        all_names = {"numbers": names}
        sizes: dict[str, Any] = {}
        if native:
            shapes["categories"] = (len(self._levels),)
            all_names["categories"] = [one.name for one in self._levels]
            sizes["categories"] = [one.known + 1 for one in self._levels]
        self.spec = Spec(shapes=shapes, names=all_names, sizes=sizes)

    def state(self) -> dict[str, Any]:
        return self._state

    def _category_names(self) -> list[str]:
        how = self._settings.categories
        if how == "one_hot":
            return [name for one in self._levels for name in one.output_names()]
        if how == "target" and self._state.get("outputs", 1) > 1:
            return [f"{one.name} mean of {level}" for one in self._levels for level in self._schema.classes]
        endings = {"ordinal": "", "count": " count", "target": " mean target"}
        return [one.name + endings[how] for one in self._levels] if how in endings else []

    def encode(self, rows: pd.DataFrame, training: bool = False) -> Encoded:
        """Typed rows -> ``numbers`` [rows, columns] (and ``categories`` int64 [rows, columns])."""
        how = self._settings.categories
        columns = [number_column(rows, name, self._settings.combine) for name in self._numbers.names]
        codes = [one.codes(rows[one.name]) for one in self._levels]
        refit = self._cross_fitted(rows, codes) if training and how == "target" and codes else None
        dtype = np.float64 if self._settings.precision == "double" else np.float32
        numbers = np.zeros((len(rows), self.spec.shapes["numbers"][0]), dtype=dtype)  # [rows, columns]
        first = self._numbers.width()
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            block = numbers[part]
            self._numbers.write([column[part] for column in columns], block[:, :first])
            if how == "one_hot":
                write_indicators([code[part] for code in codes], [one.size for one in self._levels], block[:, first:])
            elif refit is not None:
                block[:, first:] = refit[part]
            else:
                at = first
                for table, code in zip(self._tables, codes):
                    block[:, at : at + len(table)] = table[:, code[part]].T  # [outputs, rows] -> [rows, outputs]
                    at += len(table)
        if how != "native":
            return {"numbers": numbers}
        categories = np.zeros((len(rows), len(codes)), dtype=np.int64)  # [rows, category columns]
        for j, (one, code) in enumerate(zip(self._levels, codes, strict=True)):
            categories[:, j] = np.where(code < one.known, code + 1, 0)
        return {"numbers": numbers, "categories": categories}

    def _cross_fitted(self, rows: pd.DataFrame, codes: list[np.ndarray]) -> np.ndarray:
        target = _target(rows, self._schema)
        matrix = cross_fitted(np.column_stack(codes), target, len(self._schema.classes), self._state["seed"])
        flat = np.array([pair for column in self._state["scaling"] for pair in column])  # [columns * outputs, 2]
        return (matrix - flat[:, 0]) / flat[:, 1]


def number_column(rows: pd.DataFrame, name: str, combine: Mapping[str, Combination]) -> np.ndarray:
    """float64 [rows]: a number column, or a combination of some."""
    if name in combine:
        return combine[name].compute(rows)
    return rows[name].to_numpy(dtype="float64")


def _target(rows: pd.DataFrame, schema: Schema) -> np.ndarray:
    """float64 [rows], or class numbers int64 [rows], for target encoding."""
    if schema.target is None or schema.target not in rows.columns or schema.target_kind == "text":
        raise UserError("features: categories: target needs rows with a number or a class as target")
    if not schema.classes:
        return rows[schema.target].to_numpy(dtype="float64")
    numbers = {level: i for i, level in enumerate(schema.classes)}
    return rows[schema.target].map(numbers).to_numpy(dtype="int64")
