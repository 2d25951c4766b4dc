"""From probabilities to classes by other rules than the most probable one: for metrics that such a rule suits.

A rule is chosen on out-of-fold predictions and saved as JSON values. Applied, it gives predictions
of the same form, of which the most probable class (or the number) is the answer; so metrics and
submissions need not know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pipeline.metrics.arrays import class_probabilities, numbers

if TYPE_CHECKING:
    import pandas as pd

GRID = np.linspace(-8.0, 8.0, 161)
"""Log thresholds that are tried, relative to the other classes' (0: the most probable class)."""
WIDTH = 0.3
"""Standard deviation, in log odds, of the smoothing of the metric over the grid. What is sought is the
middle of a good stretch, not the peak of a jagged curve that a few rows made."""
CUT_WIDTH = 0.1
"""The same for cut points, in standard deviations of the expected class."""
SWEEPS = 2
"""Times that every class (or cut point) is looked at in turn, the others held."""
BAGS = 8
"""Draws of rows whose thresholds are averaged."""
MOST_ROWS = 100_000
"""Rows of a draw."""
BINS = 512
"""Quantiles of the expected class among which cut points are sought."""
MOST_GRADES = 300
"""Grades beyond which no cut points are sought: such numbers are counts, say, and a matrix of them fills memory."""


class Decision(Protocol):
    """A rule that was chosen."""

    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Predictions [rows] to ones of the same form whose most probable class is the answer."""
        ...

    def state(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Thresholds:
    """Answer the class whose probability is largest in proportion to its threshold.

    For two classes with thresholds 1 - t and t: the second where its probability is above t.
    Applied, probabilities are divided by the thresholds and scaled to sum to 1.
    """

    thresholds: Mapping[str, float]
    """By class (as text), above 0, summing to 1."""

    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        limits = np.array([self.thresholds[str(name)] for name in predictions.columns])
        scaled = predictions.to_numpy(dtype=np.float64) / limits  # [rows, classes]
        total = scaled.sum(axis=1, keepdims=True)  # [rows, 1]
        return pd.DataFrame(scaled / total, columns=predictions.columns, index=predictions.index)

    def state(self) -> dict[str, Any]:
        return {"kind": "thresholds", "thresholds": dict(self.thresholds)}


@dataclass(frozen=True)
class CutPoints:
    """Answer, of ordered classes, the one between whose cut points the expected class lies.

    The expected class is the mean of the classes' places 0, 1, ... under their probabilities, or a
    regression's prediction as it is. cuts: ascending, one fewer than the grades.
    lowest: the grade below the first cut; each cut leads to the next whole number.
    """

    cuts: Sequence[float]
    lowest: int = 0

    def apply(self, predictions: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        grades = np.searchsorted(self.cuts, _expected(predictions))  # [rows]
        if list(predictions.columns) == ["prediction"]:
            return pd.DataFrame({"prediction": (grades + self.lowest).astype(np.float64)}, index=predictions.index)
        one_hot = np.eye(len(self.cuts) + 1)[grades]  # [rows] -> [rows, classes]
        return pd.DataFrame(one_hot, columns=predictions.columns, index=predictions.index)

    def state(self) -> dict[str, Any]:
        return {"kind": "cut_points", "cuts": list(self.cuts), "lowest": self.lowest}


def restore_decision(state: Mapping[str, Any]) -> Decision:
    kinds: dict[str, Any] = {"thresholds": Thresholds, "cut_points": CutPoints}
    return kinds[state["kind"]](**{key: value for key, value in state.items() if key != "kind"})


def may_decide(metric: Any, target: pd.Series) -> bool:
    """Whether a rule is to be fitted. Of whole numbers that span more than ``MOST_GRADES`` none is: predictions stay as
    they are, for the metric to round."""
    from pandas.api import types

    wide = types.is_numeric_dtype(target.dtype) and float(target.max() - target.min()) >= MOST_GRADES
    return metric.decision is not None and not (metric.decision == "cut_points" and wide)


def fit_decision(metric: Any, target: pd.Series, predictions: pd.DataFrame, copies: float = 1.0) -> Decision | None:
    """Choose the rule that suits the metric; None where it has no use for one (see ``Metric.decision``).

    target [rows] and predictions [rows]: out of fold, paired by position. copies: how many of these rows
    are one, where rows that weigh stand there more than once.
    """
    kind = metric.decision
    if kind == "thresholds":
        return fit_thresholds(metric, target, predictions, copies)
    return fit_cut_points(metric, target, predictions) if kind == "cut_points" else None


def fit_thresholds(metric: Any, target: pd.Series, predictions: pd.DataFrame, copies: float = 1.0) -> Thresholds:
    """A threshold a class, each in turn moved to where the smoothed metric is best, the others held;
    the mean, in log odds, of those of several draws of the rows with replacement.

    metric: scores a confusion matrix, ``of(matrix, names)``, higher is better. copies: see ``fit_decision``.
    """
    codes, probabilities = class_probabilities(metric.name, target, predictions)
    names = [str(name) for name in predictions.columns]
    logs = np.log(np.maximum(probabilities, 1e-12))  # [rows, classes]
    found, drawn = [], min(max(1, round(len(codes) / copies)), MOST_ROWS)
    for bag in range(BAGS):
        rows = np.random.default_rng(bag).integers(len(codes), size=drawn)
        found.append(_log_thresholds(metric, names, codes[rows], logs[rows]))
    limits = np.mean(found, axis=0)  # [classes]
    limits = np.exp(limits - limits.max())
    return Thresholds({name: float(limit) for name, limit in zip(names, limits / limits.sum(), strict=True)})


def _log_thresholds(metric: Any, names: list[str], codes: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Log thresholds [classes] whose mean is 0, on one draw of rows."""
    classes = len(names)
    limits = np.zeros(classes)
    for _ in range(1 if classes == 2 else SWEEPS):
        for k in range(1, 2) if classes == 2 else range(classes):
            matrices = _matrices_along(logs - limits, codes, k)  # [grid, classes, classes]
            scores = np.array([metric.of(matrix, names) for matrix in matrices])
            limits[k] += GRID[_best(scores, GRID)]
    return limits - limits.mean()


def _matrices_along(logs: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
    """Confusion matrices [grid, classes, classes] were class ``k``'s log threshold moved along ``GRID``."""
    classes = logs.shape[1]
    others = logs.copy()
    others[:, k] = -np.inf
    rival = others.argmax(axis=1)  # [rows]: the answer where it is not k
    margin = logs[:, k] - others.max(axis=1)  # [rows]: k is answered where it is above the threshold
    place = np.searchsorted(GRID, margin)  # [rows]: thresholds below ``place`` answer k
    pairs = (place * classes + codes) * classes + rival
    counts = np.bincount(pairs, minlength=(len(GRID) + 1) * classes * classes)
    counts = counts.reshape(len(GRID) + 1, classes, classes)  # [place, true, rival]
    matrices = counts.cumsum(axis=0)[:-1]  # [grid, true, predicted]: rows not above the threshold
    matrices[:, :, k] += np.bincount(codes, minlength=classes) - matrices.sum(axis=2)  # [grid, true]: those above it
    return matrices


def fit_cut_points(metric: Any, target: pd.Series, predictions: pd.DataFrame) -> CutPoints:
    """Cut points on the expected class, each in turn moved to where the smoothed metric is best.

    metric: scores a confusion matrix, ``of(matrix, names)``, higher is better. It is as wide as a regression's whole
    numbers span, see ``may_decide``.
    """
    if list(predictions.columns) == ["prediction"]:
        truth, expected = numbers(metric.name, target, predictions)
        lowest, grades = int(truth.min()), int(truth.max() - truth.min()) + 1
        codes = np.rint(truth).astype(np.int64) - lowest
    else:
        codes, _ = class_probabilities(metric.name, target, predictions)
        lowest, grades, expected = 0, predictions.shape[1], _expected(predictions)
    names = [str(lowest + i) for i in range(grades)]
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, BINS + 1)))
    place = np.searchsorted(edges, expected)  # [rows]: below edges[i] or on it are places up to i
    counts = np.bincount(place * grades + codes, minlength=(len(edges) + 1) * grades).reshape(-1, grades)
    below = np.vstack([np.zeros(grades, dtype=np.int64), counts.cumsum(axis=0)])[1 : len(edges) + 1]  # [edges, true]
    chosen = np.searchsorted(edges, np.arange(grades - 1) + lowest + 0.5).clip(0, len(edges) - 1)  # [cuts]
    total = np.bincount(codes, minlength=grades)
    for _ in range(SWEEPS):
        for j in range(grades - 1):
            first = chosen[j - 1] if j else 0
            last = chosen[j + 1] if j + 1 < grades - 1 else len(edges) - 1
            tried = np.arange(first, last + 1)
            scores = []
            for edge in tried:
                chosen[j] = edge
                up_to = np.vstack([np.zeros_like(total), below[chosen], total])  # [grades + 1, true]
                scores.append(metric.of(np.diff(up_to, axis=0).T, names))  # [true, predicted]
            spread = CUT_WIDTH * float(expected.std())
            chosen[j] = tried[_best(np.array(scores), edges[tried], spread)]
    return CutPoints([float(edges[i]) for i in chosen], lowest)


def _expected(predictions: pd.DataFrame) -> np.ndarray:
    """float64 [rows]."""
    values = predictions.to_numpy(dtype=np.float64)
    return values[:, 0] if list(predictions.columns) == ["prediction"] else values @ np.arange(values.shape[1])


def _best(scores: np.ndarray, points: np.ndarray, width: float = WIDTH) -> int:
    """Place of the best score once smoothed over the points; of equally good ones the middle. Both [tried]."""
    distance = (points[:, None] - points) / max(width, 1e-12)  # [tried, tried]
    kernel = np.exp(-0.5 * np.square(distance))
    smooth = kernel @ scores / kernel.sum(axis=1)
    best = np.flatnonzero(smooth >= smooth.max() - 1e-12)
    return int(best[len(best) // 2])
