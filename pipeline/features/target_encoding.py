"""Target encoding: each level as the mean target of its rows, shrunk to the overall mean.

scikit-learn's TargetEncoder with ``smooth="auto"`` (an empirical Bayes estimate); rows it is fitted
on are cross-fitted, each encoded from the targets of other rows: those that the competition's own
split lets it learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import InnerFolds, Schema
    from pipeline.features.categories import Levels


def read_target(rows: pd.DataFrame, schema: Schema, setting: str = "categories: target") -> np.ndarray:
    """float64 [rows], or class numbers int64 [rows]. Raises UserError where the rows have neither.

    setting: who asks, for the message.
    """
    absent = [name for name in schema.target_names if name not in rows.columns]
    if not schema.target_names or absent or schema.target_kind == "text":
        raise UserError(f"features: {setting} needs rows with a number or a class as target")
    if schema.targets:  # of several, their mean once each has the same weight
        several = rows[list(schema.targets)].to_numpy(dtype="float64")  # [rows, targets]
        deviation = np.nanstd(several, axis=0)
        scaled = (several - np.nanmean(several, axis=0)) / np.where(deviation > 0, deviation, 1.0)
        return np.nan_to_num(np.nanmean(np.column_stack([scaled, np.zeros(len(scaled))]), axis=1))
    if not schema.classes:
        return rows[schema.target].to_numpy(dtype="float64")
    numbers = {level: i for i, level in enumerate(schema.classes)}
    return rows[schema.target].map(numbers).to_numpy(dtype="int64")


def target_tables(codes: np.ndarray, levels: Sequence[Levels], target: np.ndarray, classes: int) -> list[np.ndarray]:
    """Mean target of each level, shrunk to the overall mean: a table a column, [outputs, codes + unseen].

    codes: int32 [rows, columns]. target: float64, or class numbers int64 [rows].
    classes: how many there are, whether ``target`` has them all or not; 0 for numbers.
    There is one output for numbers and for two classes, else one a class.
    """
    from sklearn.preprocessing import TargetEncoder

    if classes and len(np.unique(target)) == 1:
        only = _for_each_class(np.ones((1, 1)), target, classes)  # [1, outputs]
        return [np.repeat(only.T, one.size + 1, axis=1) for one in levels]
    kind = "continuous" if not classes else "binary" if len(np.unique(target)) == 2 else "multiclass"
    encoder = TargetEncoder(target_type=kind).fit(codes, target)
    given = len(encoder.classes_) if kind == "multiclass" else 1
    overall = np.atleast_1d(encoder.target_mean_).astype("float64")  # [given]
    tables = []
    for j, one in enumerate(levels):
        seen = encoder.categories_[j].astype("int64")
        table = np.repeat(overall[None, :], one.size + 1, axis=0)  # [codes + unseen, given]
        for k in range(given):
            table[seen, k] = encoder.encodings_[j * given + k]
        tables.append(_for_each_class(table, target, classes).T)  # -> [outputs, codes + unseen]
    return tables


def cross_fitted(
    codes: np.ndarray, levels: Sequence[Levels], target: np.ndarray, classes: int, folds: InnerFolds
) -> np.ndarray:
    """float64 [rows, columns * outputs]: each row encoded from the rows that train for its fold.

    A row of no fold (the earliest, where each learns from those before it) has none to be encoded
    from. It gets the mean of all rows that are in a fold, which no target of such rows has a part in,
    and being the same for all of them tells none from another.
    """
    outputs = 1 if classes in (0, 2) else classes
    encoded = np.full((len(codes), len(levels), outputs), np.nan)
    answered = np.zeros(len(codes), dtype=bool)
    for training, held_out in folds():
        if not len(training):
            continue
        tables = target_tables(codes[training], levels, target[training], classes)
        for j, table in enumerate(tables):
            encoded[held_out, j] = table[:, codes[held_out, j]].T  # [outputs, held out] -> [held out, outputs]
        answered[held_out] = True
    if not answered.all():
        encoded[~answered] = _means(target[answered] if answered.any() else target, classes)
    return encoded.reshape(len(codes), -1)  # -> [rows, columns * outputs]


def _means(target: np.ndarray, classes: int) -> np.ndarray:
    """Mean target, [outputs]."""
    if not classes:
        return np.array([target.mean()])
    shares = np.bincount(target, minlength=classes) / len(target)  # [classes]
    return shares[1:] if classes == 2 else shares


def _for_each_class(means: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """scikit-learn's means, which know only the classes that ``target`` has, laid out by all classes.

    means: [n, given], a column a class; of two classes the second alone.
    Returns [n, outputs]; a class that ``target`` lacks is at 0, its share of the rows.
    """
    if not classes:
        return means
    present = np.unique(target)
    if len(present) == 2:
        means = np.concatenate([1 - means, means], axis=1)  # [n, 1] -> [n, 2]
    laid_out = np.zeros((len(means), classes))
    laid_out[:, present] = means
    return laid_out[:, 1:] if classes == 2 else laid_out
