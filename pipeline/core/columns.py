"""What is done to encoded columns alike, whichever form they have."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.core.ragged import Ragged
from pipeline.core.stored import Stored

DRAW = "~"
"""Between a column's name and the number of another draw of it, for training: text cut into pieces by chance."""


def draw_of(name: str, draw: int) -> str:
    """What the column is called in which training rows stand as they were drawn so often before; 0: its own name."""
    return f"{name}{DRAW}{draw}" if draw else name


def take(column: np.ndarray | Ragged | Stored, index: Any) -> Any:
    """Some rows of a column of any form. index: a slice, integers, or a mask [rows]."""
    return column[index] if isinstance(column, np.ndarray) or isinstance(index, slice) else column.take(index)


def joined(first: Any, second: Any) -> Any:
    """The rows of two columns of one form."""
    form: Any = np if isinstance(first, np.ndarray) else type(first)
    return form.concatenate([first, second])
