"""Probabilities for a machine that only gives a distance (Platt 1999)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from pipeline.core.types import InnerFolds

Pairs: TypeAlias = "list[tuple[np.ndarray, np.ndarray]]"
"""Positions of rows that train, and of those that are answered."""


def pairs_among(fine: np.ndarray, folds: InnerFolds | None) -> Pairs:
    """The inner folds' rows, counted among those of the training rows that stay.

    fine: bool [training rows], whether a row stays.
    """
    place = fine.cumsum() - 1  # [rows]: where a row stands among those that stay
    return [(place[some[fine[some]]], place[held[fine[held]]]) for some, held in folds()] if folds else []


def calibrated(
    machine: Callable[[], Any],
    inputs: Any,
    target: np.ndarray,
    weights: np.ndarray | None,
    pairs: Pairs,
    seed: int,
) -> tuple[Any, float, float]:
    """A machine of all rows, with scale and shift that take its distances to log-odds; these are fitted to what
    machines of other rows say of each.

    machine: makes an unfitted scikit-learn classifier. inputs: [rows, p], dense or sparse. target: bool [rows].
    pairs: folds to calibrate by; where a class is not in all of them, stratified ones are made.
    """
    from sklearn.calibration import _SigmoidCalibration  # what CalibratedClassifierCV fits to a whole partition
    from sklearn.model_selection import StratifiedKFold

    def fitted(rows: Any) -> Any:
        some = None if weights is None else weights[rows]
        return machine().fit(inputs[rows], target[rows], sample_weight=some)

    pairs = [(some, held) for some, held in pairs if len(held) and _both(target[some])]
    if not pairs or not _both(target[np.concatenate([held for _, held in pairs])]):
        folds = min(5, int(min(target.sum(), (~target).sum())))
        pairs = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(target)), target))
    said = np.concatenate([fitted(some).decision_function(inputs[held]) for some, held in pairs])
    rows = np.concatenate([held for _, held in pairs])
    order = np.argsort(rows)  # the sums of the calibration in the rows' order, whatever the folds'
    said, rows = said[order], rows[order]
    sigmoid = _SigmoidCalibration().fit(said, target[rows], None if weights is None else weights[rows])
    # The calibrated probability is 1 / (1 + exp(a f + b)): its log-odds are -(a f + b).
    return fitted(slice(None)), -float(sigmoid.a_), -float(sigmoid.b_)


def _both(target: np.ndarray) -> bool:
    """Whether rows are there of the class and of the rest."""
    return bool(target.any() and not target.all())
