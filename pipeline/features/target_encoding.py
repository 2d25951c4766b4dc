"""Target encoding: each level as the mean target of its rows, shrunk to the overall mean.

scikit-learn's TargetEncoder with ``smooth="auto"`` (an empirical Bayes estimate); rows it is fitted
on are cross-fitted, each encoded from the targets of other rows: those that the competition's own
split lets it learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pipeline.core.class_columns import class_column
from pipeline.core.errors import UserError

Classes: TypeAlias = "int | tuple[int, ...]"
"""See ``classes_of``."""

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import InnerFolds, Schema
    from pipeline.features.categories import Levels


def read_target(rows: pd.DataFrame, schema: Schema, setting: str = "categories: target") -> np.ndarray:
    """float64 [rows], or class numbers int64 [rows], of several targets that are classes [rows, targets] with -1 where
    a row lacks one. Raises UserError where the rows have none of these.

    setting: who asks, for the message.
    """
    import pandas as pd

    absent = [name for name in schema.target_names if name not in rows.columns]
    if not schema.target_names or absent or schema.target_kind == "text":
        raise UserError(f"features: {setting} needs rows with a number or a class as target")
    if schema.target_classes:
        pairs = zip(schema.targets, schema.target_classes, strict=True)
        codes = [pd.Index(list(map(str, levels))).get_indexer(pd.Index(rows[name])) for name, levels in pairs]
        return np.stack(codes, axis=1).astype("int64")
    if schema.targets:  # of several, their mean once each has the same weight
        several = rows[list(schema.targets)].to_numpy(dtype="float64")  # [rows, targets]
        deviation = np.nanstd(several, axis=0)
        scaled = (several - np.nanmean(several, axis=0)) / np.where(deviation > 0, deviation, 1.0)
        return np.nan_to_num(np.nanmean(np.column_stack([scaled, np.zeros(len(scaled))]), axis=1))
    if not schema.classes:
        return rows[schema.target].to_numpy(dtype="float64")
    numbers = {level: i for i, level in enumerate(schema.classes)}
    return rows[schema.target].map(numbers).to_numpy(dtype="int64")


def classes_of(schema: Schema) -> Classes:
    """How many the target has, 0 of numbers; of several targets that are classes, each."""
    return tuple(map(len, schema.target_classes)) or len(schema.classes)


def output_names(schema: Schema) -> list[str]:
    """Of what a level is encoded by, where that is more than one number."""
    if schema.target_classes:
        pairs = zip(schema.targets, schema.target_classes, strict=True)
        return [class_column(name, one) for name, own in pairs for one in (own[1:] if len(own) == 2 else own)]
    return [str(level) for level in schema.classes]


def target_tables(
    codes: np.ndarray, levels: Sequence[Levels], target: np.ndarray, classes: Classes
) -> list[np.ndarray]:
    """Mean target of each level, shrunk to the overall mean: a table a column, [outputs, codes + unseen].

    codes: int32 [rows, columns]. target: float64, or class numbers int64 [rows], or [rows, targets].
    classes: how many there are, whether ``target`` has them all or not; 0 for numbers.
    There is one output for numbers and for two classes, else one a class; of several targets those of each, on the
    rows that have it.
    """
    from sklearn.preprocessing import TargetEncoder

    if isinstance(classes, tuple):
        each = [
            target_tables(codes[own >= 0], levels, own[own >= 0], count)
            for own, count in zip(target.T, classes, strict=True)
        ]
        return [np.concatenate(tables) for tables in zip(*each, strict=True)]
    if not len(target):
        return [np.zeros((_outputs(classes), one.size + 1)) for one in levels]
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
    codes: np.ndarray, levels: Sequence[Levels], target: np.ndarray, classes: Classes, folds: InnerFolds
) -> np.ndarray:
    """float64 [rows, columns * outputs]: each row encoded from the rows that train for its fold.

    A row of no fold (the earliest, where each learns from those before it) has none to be encoded
    from. It gets the mean of all rows that are in a fold, which no target of such rows has a part in,
    and being the same for all of them tells none from another.
    """
    encoded = np.full((len(codes), len(levels), _outputs(classes)), np.nan)
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


def _outputs(classes: Classes) -> int:
    if isinstance(classes, tuple):
        return sum(map(_outputs, classes))
    return 1 if classes in (0, 2) else classes


def _means(target: np.ndarray, classes: Classes) -> np.ndarray:
    """Mean target, [outputs]."""
    if isinstance(classes, tuple):
        pairs = zip(target.T, classes, strict=True)
        return np.concatenate([_means(own[own >= 0], count) for own, count in pairs])
    if not classes:
        return np.array([target.mean()])
    shares = np.bincount(target, minlength=classes) / max(len(target), 1)  # [classes]
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
