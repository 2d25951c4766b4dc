"""Target and prediction frames to checked arrays: what every metric begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import Diverged, UserError

if TYPE_CHECKING:
    import pandas as pd


def numbers(metric: str, target: pd.Series, predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Target and column ``prediction`` as float64 [rows] each, paired by position.

    Raises UserError for no rows and a target that is no finite number, its kind Diverged for
    predictions that are not finite.
    """
    _same_length(metric, target, predictions)
    truth = _floats(metric, target, "target", UserError)
    predicted = _floats(metric, predictions["prediction"], "prediction", Diverged)
    return truth, predicted


def class_probabilities(metric: str, target: pd.Series, predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Class index of each target, int64 [rows], and the probabilities, float64 [rows, classes].

    A target belongs to the column of the name ``str(target)``. Raises UserError for no rows,
    fewer than two classes and a target of no column, its kind Diverged for probabilities
    that are not finite.
    """
    import pandas as pd

    _same_length(metric, target, predictions)
    names = [str(name) for name in predictions.columns]
    if len(names) < 2:
        raise UserError(f"metric {metric}: needs at least 2 classes, the predictions have {names}")
    levels, uniques = pd.factorize(target)  # levels: [rows], -1 where missing
    place = {name: index for index, name in enumerate(names)}
    index_of_level = np.array([place.get(str(level), -1) for level in uniques] + [-1])  # the last one serves -1
    codes = index_of_level[levels]
    if (row := _first(codes < 0)) is not None:
        got = f"target of row {row} is {str(target.iloc[row])!r}"
        raise UserError(f"metric {metric}: {got}, the predictions' classes are {_some(names)}")
    probabilities = predictions.to_numpy(dtype=np.float64)
    if (row := _first(~np.isfinite(probabilities).all(axis=1))) is not None:
        got = probabilities[row].tolist()[:5]
        raise Diverged(f"metric {metric}: every probability must be a finite number, got {got} in row {row}")
    return codes, probabilities


def confusion(metric: str, target: pd.Series, predictions: pd.DataFrame) -> np.ndarray:
    """Confusion matrix [classes, classes], int64: true class by most probable class (ties: the first)."""
    codes, probabilities = class_probabilities(metric, target, predictions)
    classes = probabilities.shape[1]
    pairs = codes * classes + probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _same_length(metric: str, target: pd.Series, predictions: pd.DataFrame) -> None:
    if len(target) != len(predictions):
        raise ValueError(f"metric {metric}: {len(target)} targets, but {len(predictions)} predictions")
    if len(target) == 0:
        raise UserError(f"metric {metric}: needs at least one row to score, got none")


def _floats(metric: str, values: pd.Series, what: str, fault: type[UserError]) -> np.ndarray:
    try:
        array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise UserError(f"metric {metric}: {what} must be numbers, got {str(values.iloc[0])!r}") from None
    if (row := _first(~np.isfinite(array))) is not None:
        raise fault(f"metric {metric}: every {what} must be a finite number, got {array[row]} in row {row}")
    return array


def _first(mask: np.ndarray) -> int | None:
    return int(mask.argmax()) if mask.any() else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
