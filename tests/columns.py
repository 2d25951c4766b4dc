"""Encoded columns of either form, as tests compare them."""

from __future__ import annotations

import numpy as np

from pipeline.core.ragged import Ragged
from pipeline.core.stored import Stored


def dense(column: np.ndarray | Ragged | Stored) -> np.ndarray:
    """A ragged column filled up with 0 to its longest row: [rows, longest]; a stored one read."""
    if isinstance(column, Stored):
        return column.read()
    return column.padded(np.arange(len(column))) if isinstance(column, Ragged) else column
