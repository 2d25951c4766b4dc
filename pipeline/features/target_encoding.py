"""Target encoding: each level as the mean target of its rows, shrunk to the overall mean.

scikit-learn's TargetEncoder with ``smooth="auto"`` (an empirical Bayes estimate); rows it is fitted
on are cross-fitted, each encoded from other rows' targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.core.types import Schema
    from pipeline.features.categories import Levels

TARGET_FOLDS = 5


def read_target(rows: pd.DataFrame, schema: Schema, setting: str = "categories: target") -> np.ndarray:
    """float64 [rows], or class numbers int64 [rows]. Raises UserError where the rows have neither.

    setting: who asks, for the message.
    """
    if schema.target is None or schema.target not in rows.columns or schema.target_kind == "text":
        raise UserError(f"features: {setting} needs rows with a number or a class as target")
    if not schema.classes:
        return rows[schema.target].to_numpy(dtype="float64")
    numbers = {level: i for i, level in enumerate(schema.classes)}
    return rows[schema.target].map(numbers).to_numpy(dtype="int64")


def _target_encoder(seed: int, classes: int, target: np.ndarray) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    if not classes:
        return TargetEncoder(target_type="continuous", cv=KFold(TARGET_FOLDS, shuffle=True, random_state=seed))
    kind: Literal["binary", "multiclass"] = "binary" if len(np.unique(target)) == 2 else "multiclass"
    return TargetEncoder(target_type=kind, cv=StratifiedKFold(TARGET_FOLDS, shuffle=True, random_state=seed))


def fit_target_tables(
    codes: np.ndarray, levels: Sequence[Levels], target: np.ndarray, classes: int, seed: int
) -> tuple[list[list[list[float]]], int]:
    """Mean target of each level, shrunk to the overall mean (scikit-learn's TargetEncoder).

    codes: int32 [rows, columns]. target: float64, or class numbers int64 [rows].
    classes: how many there are, whether ``target`` has them all or not; 0 for numbers.
    Returns a table a column, each a list of [codes + unseen] for each output (one for numbers
    and two classes, else one a class), and the number of outputs.
    """
    if _is_one_class(classes, target):
        only = _for_each_class(np.ones((1, 1)), target, classes)[0]  # [outputs]
        return [np.repeat(only[:, None], one.size + 1, axis=1).tolist() for one in levels], len(only)
    encoder = _target_encoder(seed, classes, target).fit(codes, target)
    given = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    overall = np.atleast_1d(encoder.target_mean_).astype("float64")  # [given]
    tables = []
    for j, one in enumerate(levels):
        seen = encoder.categories_[j].astype("int64")
        table = np.repeat(overall[None, :], one.size + 1, axis=0)  # [codes + unseen, given]
        for k in range(given):
            table[seen, k] = encoder.encodings_[j * given + k]
        tables.append(_for_each_class(table, target, classes).T.tolist())  # -> [outputs, codes + unseen]
    return tables, len(tables[0])


def cross_fitted(codes: np.ndarray, target: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """float64 [rows, columns * outputs]: each row encoded from other rows' targets."""
    rows, columns = codes.shape
    if _is_one_class(classes, target):
        crossed = np.ones((rows, columns))
    else:
        crossed = _target_encoder(seed, classes, target).fit_transform(codes, target)  # [rows, columns * given]
    means = crossed.reshape(rows * columns, -1)  # -> [rows * columns, given]
    return _for_each_class(means, target, classes).reshape(rows, -1)  # -> [rows, columns * outputs]


def _is_one_class(classes: int, target: np.ndarray) -> bool:
    return classes > 0 and len(np.unique(target)) == 1


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
