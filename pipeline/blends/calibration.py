"""Probabilities made to be what they say: fitted on out-of-fold predictions, saved as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pipeline.blends.log_pool import fit_log_pool

if TYPE_CHECKING:
    import pandas as pd

CALIBRATIONS = ("temperature", "sigmoid", "isotonic")
LEAST = 1e-9
"""Probabilities are kept this far from 0 before their logarithm."""


class Calibration(Protocol):
    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Probabilities [rows, classes] to calibrated ones, scaled to sum to 1."""
        ...

    def state(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Scaling:
    """Logits times ``power``, plus a bias a class.

    Without biases temperature scaling, ``power`` being 1 / temperature (Guo et al. 2017, On
    Calibration of Modern Neural Networks). With them, ``sigmoid``: Platt's (1999) for two classes,
    bias-corrected temperature scaling for more (Alexandari et al. 2020, Maximum Likelihood with
    Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation).
    """

    power: float
    biases: Sequence[float]

    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        scores = self.power * _logs(predictions) + np.array(self.biases)  # [rows, classes]
        return _frame(np.exp(scores - scores.max(axis=1, keepdims=True)), predictions)

    def state(self) -> dict[str, Any]:
        return {"kind": "scaling", "power": self.power, "biases": list(self.biases)}


@dataclass(frozen=True)
class Isotonic:
    """A rising curve a class (of two classes, of the second alone), averaged with the probability it
    was given: half the noise of the curve's steps for most of its gain.

    curves: points (x ascending, y) between which it is straight. least: what the curves are kept from
    0 and 1 by, since no step of so many rows can tell that a class is impossible.
    """

    curves: Sequence[Mapping[str, Sequence[float]]]
    least: float

    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        given = predictions.to_numpy(dtype=np.float64)
        given = given / given.sum(axis=1, keepdims=True)  # [rows, classes]
        two = len(self.curves) == 1
        columns = given[:, 1:] if two else given  # [rows, curves]
        risen = [np.interp(columns[:, k], curve["x"], curve["y"]) for k, curve in enumerate(self.curves)]
        fitted = np.clip(np.stack(risen, axis=1), self.least, 1 - self.least)  # [rows, curves]
        if two:
            fitted = np.hstack([1 - fitted, fitted])  # [rows, 1] -> [rows, 2]
        fitted = fitted / fitted.sum(axis=1, keepdims=True)
        return _frame(given + fitted, predictions)

    def state(self) -> dict[str, Any]:
        curves = [{name: list(points) for name, points in curve.items()} for curve in self.curves]
        return {"kind": "isotonic", "curves": curves, "least": self.least}


def restore_calibration(state: Mapping[str, Any]) -> Calibration:
    kinds: dict[str, Any] = {"scaling": Scaling, "isotonic": Isotonic}
    return kinds[state["kind"]](**{key: value for key, value in state.items() if key != "kind"})


def fit_calibration(kind: str, target: pd.Series, predictions: pd.DataFrame, copies: float = 1.0) -> Calibration:
    """kind: one of ``CALIBRATIONS``. target [rows] and out-of-fold probabilities [rows], paired by position. copies:
    how many of these rows are one (``Library``)."""
    codes = class_codes(target, predictions)
    if kind == "isotonic":
        return _fit_isotonic(codes, predictions, copies)
    # A penalty as that of one row's worth of loss: it binds only where rows are so few that they are told apart.
    powers, biases = fit_log_pool(
        _logs(predictions)[None], codes, prior=1.0, strength=copies, non_negative=True, biased=kind == "sigmoid"
    )
    return Scaling(float(powers[0]), biases.tolist())


def _fit_isotonic(codes: np.ndarray, predictions: pd.DataFrame, copies: float) -> Isotonic:
    from sklearn.isotonic import IsotonicRegression

    given = predictions.to_numpy(dtype=np.float64)
    given = given / given.sum(axis=1, keepdims=True)  # [rows, classes]
    curves = []
    for k in [1] if given.shape[1] == 2 else range(given.shape[1]):
        fitted = IsotonicRegression().fit(given[:, k], codes == k)
        curves.append({"x": fitted.X_thresholds_.tolist(), "y": fitted.y_thresholds_.tolist()})
    return Isotonic(curves, 1 / (len(codes) / copies + 2))


def class_codes(target: pd.Series, predictions: pd.DataFrame) -> np.ndarray:
    """Place of each target among the predictions' columns, int64 [rows]."""
    import pandas as pd

    return pd.Index([str(name) for name in predictions.columns]).get_indexer(pd.Index(target.map(str)))


def _logs(predictions: pd.DataFrame) -> np.ndarray:
    """float64 [rows, classes]."""
    return np.log(np.maximum(predictions.to_numpy(dtype=np.float64), LEAST))


def _frame(values: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
    """values [rows, classes], not negative, scaled to sum to 1."""
    import pandas as pd

    return pd.DataFrame(values / values.sum(axis=1, keepdims=True), columns=like.columns, index=like.index)
