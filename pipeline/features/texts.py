"""Texts of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.errors import UserError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


def read_texts(rows: pd.DataFrame, column: str, schema: Schema) -> list[str]:
    """A column's texts, whatever its kind; a missing text is an empty one.

    Raises UserError where the rows have no such column.
    """
    if column not in rows.columns:
        why = f"it was dropped as {schema.dropped[column]}" if column in schema.dropped else "rows have no such column"
        raise UserError(f"features: text column '{column}': {why}{did_you_mean(column, schema.names('text'))}")
    values = rows[column]
    return ["" if missing else str(value) for value, missing in zip(values, values.isna())]
