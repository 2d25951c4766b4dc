"""Predictions of several targets, taken apart by target: a column each of numbers and of labels, of classes a column of
probabilities for each class.

The latter are named ``target=class``, as scikit-learn's ``DictVectorizer`` names its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SIGN = "="


def class_column(target: str, level: object) -> str:
    return f"{target}{SIGN}{level}"


def check_names(targets: Sequence[str], where: str) -> None:
    """Raises UserError for targets of classes whose columns could be each other's."""
    for one in targets:
        if longer := [other for other in targets if other.startswith(one + SIGN)]:
            raise UserError(
                f"{where}: probabilities of the target '{one}' are named '{class_column(one, 'class')}', which "
                f"'{longer[0]}' could be; rename one of the two"
            )


def columns_of(columns: Iterable[Any], target: str) -> list[str]:
    """Those that hold the predictions of one target."""
    names = [str(name) for name in columns]
    return [target] if target in names else [name for name in names if name.startswith(target + SIGN)]


def predictions_of(
    predictions: pd.DataFrame, target: str, number: bool = False, known: np.ndarray | None = None
) -> pd.DataFrame:
    """The predictions of one target as a task of it alone has them: the probability of each class by its name, of a
    label that of ``0`` and ``1``, or the column ``prediction``.

    number: whether a column of the target's own name is a number. known: bool [rows], those that are asked for.
    """
    import pandas as pd

    rows = slice(None) if known is None else known
    if target in predictions.columns:
        values = predictions[target].to_numpy()[rows]
        if number:
            return pd.DataFrame(values[:, None], columns=_prediction())  # [rows] -> [rows, 1]
        return pd.DataFrame({"0": 1 - values, "1": values})
    places, names = _places(tuple(predictions.columns), target)
    return pd.DataFrame(predictions.to_numpy()[rows][:, places], columns=names)  # [rows, classes]


def named_again(target: str, predictions: pd.DataFrame, columns: Iterable[Any]) -> dict[str, np.ndarray]:
    """The inverse, [rows] by name. columns: those of the predictions that they are a part of."""
    if target in set(columns):
        return {target: predictions.iloc[:, -1].to_numpy()}
    return {class_column(target, name): predictions[name].to_numpy() for name in predictions}


@cache
def _prediction() -> pd.Index:
    """Made once: a blend scores ten thousand times, and pandas makes an index of names as slowly as all the rest."""
    import pandas as pd

    return pd.Index(["prediction"])


@cache
def _places(columns: tuple[str, ...], target: str) -> tuple[list[int], pd.Index]:
    """Where the columns of a target's classes stand, and the classes."""
    import pandas as pd

    own = columns_of(columns, target)
    if not own:
        raise KeyError(target)
    return [columns.index(name) for name in own], pd.Index([name[len(target) + len(SIGN) :] for name in own])
