"""Numbered columns of a table that are the pixels of an image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from pipeline.core.errors import UserError, quoted
from pipeline.images.pixels import RULE, WHOLE, pixel_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd

LEAST_SIDE = 8
"""Pixels in a row below which numbered columns are no image."""
BESIDE = 2
"""Columns beside pixels, an id and a target, that leave no doubt, whatever the pixels are called."""
NAMES = ("pix", "px")
"""How names of columns begin that say that they are pixels."""
MOST = 0.9
"""Part of the values of columns so called, and of the columns, that are pixels where the others are faults."""


def pixel_square(frame: pd.DataFrame, train: pd.DataFrame) -> tuple[str, int] | None:
    """What stands before the number in the names of columns, and the side, where a table's columns are the pixels of a
    square: whole numbers from 0 to 255, or all from 0 to 1.

    frame: of what is asked; it may hold an id besides, or a target. Raises UserError naming row and column where
    columns that are called pixels hold something else here and there.
    """
    if (found := _square(frame.columns)) is None:
        return None
    prefix, columns = found
    called = prefix.lower().startswith(NAMES)
    if len(frame.columns) - len(columns) > BESIDE and not called:
        return None  # numbered columns among others are measurements more often than pixels
    if any(name not in train for name in columns):
        return None
    words = [name for name in columns if train[name].dtype.kind not in "iuf"]
    if words and called and len(words) <= (1 - MOST) * len(columns):
        _refuse_words(train, words[0])
    if words:
        return None
    values = train[columns]
    low, high = float(values.min().min()), float(values.max().max())
    whole = high <= 1 or bool((values.iloc[:1000] % 1 == 0).all().all())
    if low >= 0 and high <= WHOLE and whole:
        return prefix, round(len(columns) ** 0.5)
    if called:
        _refuse_some(values)
    return None


def refuse_unlike(train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Raise UserError where columns called pixels are a square's in one of two tables, and others in the other."""
    for frame, other, here, there in ((train, test, "training", "test"), (test, train, "test", "training")):
        if (found := _square(frame.columns)) is None or not found[0].lower().startswith(NAMES):
            continue
        prefix, columns = found
        own = pixel_columns(map(str, other.columns), prefix)
        if set(own) != set(columns):
            missing = next((name for name in columns if name not in own), own[-1] if own else "")
            raise UserError(
                f"the {here} file has {len(columns)} columns '{prefix}<number>' of pixels, and the {there} file "
                f"{len(own)} (see '{missing}'); give both the same"
            )


def _square(names: Iterable[object]) -> tuple[str, list[str]] | None:
    """The most numbered columns of one name, where they are as many as a square has pixels, without a gap."""
    by: dict[str, dict[str, int]] = {}
    for name in map(str, names):
        if match := re.fullmatch(r"(.*?)(\d+)", name):
            by.setdefault(match[1], {})[name] = int(match[2])
    if not by:
        return None
    prefix, places = max(by.items(), key=lambda item: len(item[1]))
    side, numbers = round(len(places) ** 0.5), places.values()
    if side < LEAST_SIDE or side * side != len(places) or max(numbers) - min(numbers) != len(places) - 1:
        return None
    return prefix, list(places)


def _refuse_words(train: pd.DataFrame, column: str) -> None:
    import pandas as pd

    odd = pd.to_numeric(train[column], errors="coerce").isna() & train[column].notna()
    if odd.any() and odd.mean() <= 1 - MOST:
        _refuse(train, int(odd.to_numpy().argmax()), column)


def _refuse_some(values: pd.DataFrame) -> None:
    """Raise UserError for the first value that is no pixel, where most are."""
    cells = values.to_numpy("float64", na_value=float("nan"))
    empty = cells != cells
    right = [
        ((cells >= 0) & (cells <= WHOLE) & (cells % 1 == 0)) | empty,
        ((cells >= 0) & (cells <= 1)) | empty,
    ]
    best: np.ndarray = max(right, key=lambda one: int(one.sum()))
    if best.mean() >= MOST and not best.all():
        row, place = divmod(int(best.argmin()), best.shape[1])
        _refuse(values, row, str(values.columns[place]))


def _refuse(table: pd.DataFrame, row: int, column: str) -> NoReturn:
    got = table[[column]].astype("object").iloc[row, 0]
    raise UserError(f"the training file: row {row + 2}, column '{column}': {RULE}, got {quoted(got)}")
