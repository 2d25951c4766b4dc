"""Encoded columns of either form, as tests compare them."""

from __future__ import annotations

import numpy as np

from pipeline.core.ragged import Ragged


def dense(column: np.ndarray | Ragged) -> np.ndarray:
    """A ragged column filled up with 0 to its longest row: [rows, longest]."""
    return column.padded(np.arange(len(column))) if isinstance(column, Ragged) else column
