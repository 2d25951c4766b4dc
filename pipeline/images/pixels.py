"""Columns of pixels -> images."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import UserError, quoted
from pipeline.core.sections import ImageColumn

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

ROWS = 4096
"""Rows of a table that are packed at once."""
WHOLE = 255
RULE = "a pixel is a number from 0 to 255, or from 0 to 1 in all"


def pixel_columns(names: Iterable[str], prefix: str) -> list[str]:
    """Those named ``<prefix><number>``, by their number."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d+)")
    matches = [match for name in names if (match := pattern.fullmatch(name))]
    return [match[0] for match in sorted(matches, key=lambda match: int(match[1]))]


def shape_of(how: ImageColumn) -> tuple[int, int, int]:
    """Height, width and channels of images in columns of pixels."""
    height, width = how.size or (0, 0)
    return height, width, 3 if how.colour == "colour" else 1


def checked_columns(names: Iterable[str], how: ImageColumn, where: str) -> list[str]:
    """The columns of pixels; raises UserError where there are more or fewer than the size asks for."""
    columns, (height, width, channels) = pixel_columns(names, how.pixels or ""), shape_of(how)
    if len(columns) != height * width * channels:
        size = f"{height} x {width}" + (" in colour" if channels > 1 else "")
        raise UserError(
            f"{where}: images of {size} have {height * width * channels} columns '{how.pixels}<number>', got "
            f"{len(columns)}; set columns.images' size or pixels"
        )
    return columns


def check_numbers(frame: pd.DataFrame, columns: list[str], where: str) -> None:
    """Raise UserError for the first value that is no number."""
    import pandas as pd

    for name in columns:
        if frame[name].dtype.kind in "iufb":
            continue
        odd = pd.to_numeric(frame[name], errors="coerce").isna() & frame[name].notna()
        if odd.any():
            row = int(odd.to_numpy().argmax())
            raise UserError(f"{where}: row {row + 2}, column '{name}': {RULE}, got {quoted(frame[name].iloc[row])}")


def times_of(frame: pd.DataFrame, columns: list[str]) -> int:
    """What values are multiplied by to go up to 255: 1, or of fractions up to 1 255."""
    for begin in range(0, len(frame), ROWS):
        values = _floats(frame, columns, begin)
        if values.max(initial=0) > 1:
            return 1
        if (values % 1 > 0).any():
            return WHOLE
    return 1


def pack(frame: pd.DataFrame, columns: list[str], how: ImageColumn, times: int, where: str) -> np.ndarray:
    """uint8 [rows, height, width, channels]; what is missing is 0. Raises UserError for values from beyond 0 to 255."""
    packed = np.empty((len(frame), prod(shape_of(how))), np.uint8)
    for begin in range(0, len(frame), ROWS):
        values = np.rint(_floats(frame, columns, begin) * times)
        if ((values < 0) | (values > WHOLE)).any():
            row, column = (int(one[0]) for one in np.nonzero((values < 0) | (values > WHOLE)))
            got = frame[columns[column]].iloc[begin + row]
            raise UserError(f"{where}: row {begin + row + 2}, column '{columns[column]}': {RULE}, got {got}")
        packed[begin : begin + ROWS] = values
    return in_places(packed, how)


def in_places(flat: np.ndarray, how: ImageColumn) -> np.ndarray:
    """[rows, pixels], channel after channel -> [rows, height, width, channels]."""
    height, width, channels = shape_of(how)
    return np.ascontiguousarray(flat.reshape(-1, channels, height, width).transpose(0, 2, 3, 1))


def _floats(frame: pd.DataFrame, columns: list[str], begin: int) -> np.ndarray:
    return frame[columns].iloc[begin : begin + ROWS].astype("float64").fillna(0.0).to_numpy()
