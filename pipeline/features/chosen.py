"""Sums, differences and ratios of two columns, chosen by what they tell of the target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

ROWS = 5000
"""Rows looked at, so that the choice costs the same however long the table is."""
BINS = 16
CELLS = 4
"""Cells a side of the grid that a combination must beat: as many in all as it has bins."""
FEWEST_VALUES = 5


def choose(
    count: int, columns: Mapping[str, np.ndarray], target: np.ndarray, classes: int | tuple[int, ...], seed: int
) -> dict[str, Any]:
    """At most ``count`` combinations by name, as settings of ``Combination``.

    A combination is taken for its gain: the share of the target's variance between 16 quantile bins
    of it, less what 16 bins of either column tell, or a grid of 4 by 4 quantile bins of both. Only
    gains are taken, the largest first; ties go by name.
    columns: float64 [rows] each, NaN where missing; those of fewer than 5 values are left aside.
    target: float64 [rows], or class numbers int64 [rows], or [rows, targets], see ``read_target``.
    """
    some = np.sort(np.random.default_rng(seed).permutation(len(target))[:ROWS])
    told = _told(target[some], classes)  # [rows, outputs]
    told = told - told.mean(axis=0)
    values = {name: _filled(column[some]) for name, column in columns.items()}
    values = {name: column for name, column in values.items() if len(np.unique(column)) >= FEWEST_VALUES}
    alone = {name: _share(_bins(column, BINS), told) for name, column in values.items()}
    coarse = {name: _bins(column, CELLS) for name, column in values.items()}
    found: list[tuple[float, str, dict[str, Any]]] = []
    for one, two in combinations(values, 2):
        to_beat = max(alone[one], alone[two], _share(coarse[one] * CELLS + coarse[two], told))
        for name, made, column in _made(one, two, values):
            gain = _share(_bins(column, BINS), told) - to_beat
            if gain > 0:
                found.append((-gain, name, made))
    found.sort(key=lambda entry: entry[:2])
    return {name: made for _, name, made in found[:count]}


def _told(target: np.ndarray, classes: int | tuple[int, ...]) -> np.ndarray:
    """A number as it is, a class one-hot, of a row that lacks it all 0: [rows, outputs]."""
    if isinstance(classes, tuple):
        return np.concatenate([_told(own, count) for own, count in zip(target.T, classes, strict=True)], axis=1)
    return np.eye(classes + 1)[target][:, :-1] if classes else target[:, None].astype("float64")


def _made(one: str, two: str, values: Mapping[str, np.ndarray]) -> Iterator[tuple[str, dict[str, Any], np.ndarray]]:
    a, b = values[one], values[two]
    yield f"{one} + {two}", {"add": [one, two]}, a + b
    yield f"{one} - {two}", {"add": [one], "subtract": [two]}, a - b
    for over, under in ((one, two), (two, one)):
        if (values[under] != 0).all():
            yield f"{over} / {under}", {"add": [over], "divide_by": [under]}, values[over] / values[under]


def _filled(column: np.ndarray) -> np.ndarray:
    """Missing values at the median; an empty column at 0."""
    present = column[~np.isnan(column)]
    return np.where(np.isnan(column), np.median(present) if present.size else 0.0, column)


def _bins(column: np.ndarray, count: int) -> np.ndarray:
    """Quantile bin of each value, int64 [rows]."""
    edges = np.quantile(column, np.arange(1, count) / count)
    return np.searchsorted(edges, column, side="right")


def _share(bins: np.ndarray, told: np.ndarray) -> float:
    """Share of the variance of ``told`` [rows, outputs], centred, that lies between bins."""
    counts = np.maximum(np.bincount(bins), 1)
    sums = [np.bincount(bins, weights=output) for output in told.T]
    total = float((told**2).sum())
    return float(sum((one**2 / counts).sum() for one in sums)) / total if total > 0 else 0.0
