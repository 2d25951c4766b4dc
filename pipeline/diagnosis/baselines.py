"""Baselines: what an answer that looks at no column would score on the same folds."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence


def baseline(evidence: Evidence) -> dict[str, Any] | None:
    """``{"what", "folds": [score], "valid": their mean}`` of the constant answer that scores best, each learned from
    a fold's training rows; None for targets that no constant answers (texts).
    """
    scored: list[dict[str, Any]] = []
    for what, constant in _constants(evidence.kind).items():
        try:
            folds = [_score(evidence, k, constant) for k in sorted({*evidence.fold[evidence.fold >= 0].tolist()})]
        except (UserError, ValueError, ZeroDivisionError):
            continue  # a metric that such an answer does not suit
        if all(score == score for score in folds):
            scored.append({"what": what, "folds": folds, "valid": fmean(folds)})
    return max(scored, key=lambda one: evidence.sign * one["valid"]) if scored else None


Constant = Callable[["pd.DataFrame", "Evidence"], dict[str, float]]
"""Targets [rows, targets] of training rows to the one answer, by column of predictions."""


def _constants(kind: str) -> dict[str, Constant]:
    if kind in ("number", "numbers"):
        return {"the mean": _mean, "the median": _median, "the mean of logarithms": _mean_of_logarithms}
    if kind == "class":
        return {"the share of each class": _shares}
    return {"the share of each label": _mean} if kind == "labels" else {}


def _score(evidence: Evidence, k: int, constant: Constant) -> float:
    import pandas as pd

    rows = evidence.target
    frame = rows.to_frame() if rows.ndim == 1 else rows
    training = evidence.competition.split.training_rows(evidence.fold, k)
    mask = evidence.fold == k
    answer = constant(frame[training], evidence)
    predictions = pd.DataFrame({name: [value] * int(mask.sum()) for name, value in answer.items()})
    return float(evidence.competition.metric.score(rows[mask].reset_index(drop=True), predictions))


def _named(values: Any, evidence: Evidence) -> dict[str, float]:
    names = evidence.schema.targets or ("prediction",)
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _mean(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    return _named(frame.astype(float).mean(), evidence)


def _median(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    return _named(frame.astype(float).median(), evidence)


def _mean_of_logarithms(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    import numpy as np

    values: np.ndarray = frame.to_numpy(dtype=float)
    if not (np.nan_to_num(values, nan=1.0) > 0).all():
        raise ValueError("logarithms need numbers above 0")
    return _named(np.exp(np.nanmean(np.log(values), axis=0)), evidence)


def _shares(frame: pd.DataFrame, evidence: Evidence) -> dict[str, float]:
    counts = frame.iloc[:, 0].astype(str).value_counts(normalize=True)
    return {str(level): float(counts.get(str(level), 0.0)) for level in evidence.schema.classes}
