"""Texts of a column, and their indices filled up to one length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.text.reserved import PAD

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema


def pad(sequences: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Cut or fill up with ``PAD`` to int64 [sequences, length]."""
    padded = np.full((len(sequences), length), PAD, dtype=np.int64)
    for i, sequence in enumerate(sequences):
        padded[i, : len(sequence)] = sequence[:length]
    return padded


def common_length(sequences: Iterable[Sequence[object]], maximum: int) -> int:
    """Length to pad to: the longest sequence's, at least 1, at most ``maximum``."""
    return max(1, min(maximum, max((len(sequence) for sequence in sequences), default=1)))


def read_texts(rows: pd.DataFrame, column: str, schema: Schema) -> list[str]:
    """A column's texts, whatever its kind; a missing text is an empty one.

    Raises UserError where the rows have no such column.
    """
    if column not in rows.columns:
        why = f"it was dropped as {schema.dropped[column]}" if column in schema.dropped else "rows have no such column"
        raise UserError(f"features: text column '{column}': {why}{did_you_mean(column, schema.names('text'))}")
    values = rows[column]
    return ["" if missing else str(value) for value, missing in zip(values, values.isna())]
