"""The fitted ``tabular`` and ``categorical``: blocks of columns side by side in one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.paged import is_large, zeros
from pipeline.core.types import Encoded, InnerFolds, Schema, Spec
from pipeline.features.bins import QuantileBins
from pipeline.features.category_columns import CategoryColumns
from pipeline.features.number_columns import NumberColumns
from pipeline.features.numbers import Numbers
from pipeline.features.text_components import TextComponents

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.features.tabular import Tabular

BLOCK = 1 << 20
"""Rows of a large table encoded at a time."""
CHUNK = 8192
"""Rows written at a time, so that a block of the output stays in the processor's cache."""


def fit(settings: Tabular, rows: pd.DataFrame, schema: Schema, seed: int) -> TabularEncoder:
    """Raises UserError where there is no column to encode."""
    made = NumberColumns.fit(
        rows, schema, combine=settings.combine, chosen=settings.chosen, groups=settings.groups, seed=seed
    )
    names, columns = made.names(), made.read(rows)
    numbers = Numbers.fit(
        names,
        columns,
        scale=settings.scale,
        transform=settings.transform,
        missing=settings.missing,
        flags=settings.missing_flags,
        seed=seed,
        skew_above=settings.skew_above,
    )
    categories = CategoryColumns.fit(
        rows,
        schema,
        categories=settings.categories,
        many=settings.many,
        rare=settings.rare,
        scale=settings.scale,
    )
    texts = settings.texts.fit(rows, schema, settings.scale != "none", seed) if settings.texts else []
    if not names and not categories.levels and not texts:
        raise UserError("features: tabular needs a number or category column, and the schema has neither")
    state = {
        "made": made.state,
        "numbers": numbers.state,
        "bins": settings.bins.fit(names, columns) if settings.bins else None,
        "texts": [one.state for one in texts],
        "categories": categories.state,
    }
    return TabularEncoder(settings, schema, state)


class TabularEncoder:
    """Made of its settings and its state alone. ``numbers`` holds, in this order: number columns,
    flags of missing ones, bins, and category columns as indicators, ranks, counts, target means.
    ``sizes`` of its spec tells how many of them are ``continuous``: the number columns."""

    def __init__(self, settings: Tabular, schema: Schema, state: Mapping[str, Any]) -> None:
        self._settings = settings
        self._state = dict(state)
        self._made = NumberColumns(state["made"], schema, settings.combine)
        self._numbers = Numbers(state["numbers"])
        self._bins = QuantileBins(state["bins"]) if state["bins"] else None
        self._texts = [TextComponents(one) for one in state["texts"]]
        self._categories = CategoryColumns(state["categories"], settings.scale, schema)
        names = self._numbers.output_names()
        names += self._bins.output_names() if self._bins else []
        self._binned = len(names)  # where the components of texts begin, and then the categories
        names += [name for one in self._texts for name in one.output_names()]
        self._categorical = len(names)
        names += self._categories.output_names()
        shapes: dict[str, tuple[int, ...]] = {"numbers": (len(names),)}
        all_names = {"numbers": names}
        sizes: dict[str, Any] = {"continuous": len(self._numbers.names)}
        if "categories" in settings.gives:
            native = self._categories.native
            shapes["categories"] = (len(native),)
            all_names["categories"] = [one.name for one in native]
            sizes["categories"] = [one.known + 1 for one in native]
        self.spec = Spec(shapes=shapes, names=all_names, sizes=sizes)
        grouped = [key for group in settings.groups.values() for key in group.keys]
        read = [*schema.names("number"), *self.levels(), *grouped, *(one.name for one in self._texts)]
        self.reads = list(dict.fromkeys(read))

    def state(self) -> dict[str, Any]:
        return self._state

    def levels(self) -> dict[str, list[str]]:
        """The levels it knows of each category column it reads, those folded into one too."""
        return {one.name: [*one.levels, *one.state["rare"]] for one in self._categories.levels}

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        """Typed rows -> ``numbers`` [rows, columns] (and ``categories`` int64 [rows, columns])."""
        if is_large(*rows.shape) and not (training and "target" in self._categories.columns):
            return self._in_blocks(rows)
        return self._block(rows, training)

    def _block(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        columns = self._made.read(rows)
        codes = self._categories.codes(rows)
        crossed = self._categories.crossed(rows, codes, training) if training else None
        dtype = np.float64 if self._settings.precision == "double" else np.float32
        numbers = zeros((len(rows), self.spec.shapes["numbers"][0]), dtype)  # [rows, columns]
        width = self._numbers.width()
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            block, some = numbers[part], [column[part] for column in columns]
            self._numbers.write(some, block[:, :width])
            if self._bins:
                self._bins.write(dict(zip(self._numbers.names, some)), block[:, width : self._binned])
            cut = None if crossed is None else crossed[part]
            self._categories.write([code[part] for code in codes], cut, block[:, self._categorical :])
        at = self._binned
        for one in self._texts:
            numbers[:, at : at + one.count] = one.compute(rows)
            at += one.count
        if "categories" not in self.spec.shapes:
            return {"numbers": numbers}
        return {"numbers": numbers, "categories": self._categories.native_codes(codes, len(rows))}

    def _in_blocks(self, rows: pd.DataFrame) -> Encoded:
        """The same, a row being encoded alike whatever stands beside it."""
        found: Encoded = {}
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            for name, block in self._block(rows.iloc[part]).items():
                if name not in found:
                    found[name] = zeros((len(rows), *block.shape[1:]), block.dtype)  # [rows, columns]
                found[name][part] = block
        return found
