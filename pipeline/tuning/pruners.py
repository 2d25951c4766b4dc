"""Pruners over folds: a step is a fold, its value the fold's score."""

from __future__ import annotations

from statistics import fmean, median

import optuna
from optuna.pruners import BasePruner, NopPruner, WilcoxonPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class MedianOverFolds(BasePruner):
    """The median stopping rule (Golovin et al. 2017, Google Vizier), on the folds seen so far.

    Prunes when the mean of a trial's folds is worse than the median of the complete trials' means
    over the same folds. Optuna's own rule is for learning curves: it takes a trial's best step so
    far, and among folds that is the easiest fold.
    """

    def __init__(self, least_trials: int = 5, least_folds: int = 2) -> None:
        self.least_trials = least_trials
        self.least_folds = least_folds

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        seen = trial.intermediate_values
        if len(seen) < self.least_folds:
            return False
        others = [
            fmean(other.intermediate_values[fold] for fold in seen)
            for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if seen.keys() <= other.intermediate_values.keys()
        ]
        if len(others) < self.least_trials:
            return False
        mean = fmean(seen.values())
        return mean > median(others) if study.direction == StudyDirection.MINIMIZE else mean < median(others)


def build_pruner(name: str) -> BasePruner:
    """``none``, ``median``, or ``wilcoxon``: the signed-rank test against the best trial, fold by fold.
    ``halving`` is between epochs, and the stack's own affair: see ``RUNGS``."""
    if name == "median":
        return MedianOverFolds()
    if name == "wilcoxon":
        return WilcoxonPruner(p_threshold=0.1)
    return NopPruner()


RUNGS = (1 / 4, 1 / 2)
"""Parts of the epochs after which successive halving (Jamieson, Talwalkar 2016) drops the worse half of a batch."""
