"""What follows once models have predicted: blended, calibrated, decided; and how well, honestly.

Each step is fitted on out-of-fold predictions, and measured on folds that did not fit it: all that
makes a fold's rows' answers (weights, calibration, thresholds) comes from the other folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.answering.each_target import each_target, restored
from pipeline.answering.levels import CONVINCING, Fit, Levels
from pipeline.core.class_columns import columns_of
from pipeline.core.combination import Blend, Combination, Library
from pipeline.core.schema import PROBABLE
from pipeline.core.types import Metric, Target, Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.blends.calibration import Calibration
    from pipeline.metrics.decisions import Decision

CONVINCING_OF_DECIDED = 1.0
"""The same of thresholds for a metric that the most probable class serves best, so that they mend faults of the
probabilities alone. On seven sets of texts and digits (300 to 3,000 rows, six kinds of models, 300 draws in all)
accuracy on new rows gained 0.0015 by thresholds kept so, and 0.0012 by half of it; where no model had a fault to mend
(mr, subj, digits) half of it lost 0.0004. Macro F1 gains less the more is asked: 0.0062 by half of it, else 0.0054."""


@dataclass(frozen=True)
class Ensemble:
    """Models' predictions to the competition's answer.

    weights: by model. intercept, targets: see ``Combination``, the second by model too. calibration, decision: None
    where there is none.
    """

    weights: Mapping[str, float]
    intercept: Sequence[float] | None = None
    calibration: Calibration | None = None
    decision: Decision | None = None
    targets: Mapping[str, Mapping[str, float]] | None = None
    together: bool = False
    """Whether its models answer in one search, all weighed alike (``together.py``); ``predict`` is then given what they
    say together as the frame of each."""

    @property
    def models(self) -> list[str]:
        """Those that have a weight."""
        return [name for name, weight in self.weights.items() if weight != 0]

    def predict(self, frames: Mapping[str, pd.DataFrame], task: Task, target: Target) -> pd.DataFrame:
        """frames: predictions [rows] of each of ``models``, paired by position."""
        names = self.models
        if self.together:
            return frames[names[0]]
        targets = None
        if self.targets is not None:
            targets = {key: [one[name] for name in names] for key, one in self.targets.items()}
        combination = Combination([self.weights[name] for name in names], self.intercept, targets)
        predictions = combination.predict([frames[name] for name in names], task, target)
        for step in (self.calibration, self.decision):
            predictions = predictions if step is None else step.apply(predictions)
        return predictions

    def to_json(self) -> dict[str, Any]:
        return {
            "weights": dict(self.weights),
            "intercept": None if self.intercept is None else list(self.intercept),
            "calibration": None if self.calibration is None else self.calibration.state(),
            "decision": None if self.decision is None else self.decision.state(),
            **({"together": True} if self.together else {}),
            **({} if self.targets is None else {"targets": {key: dict(one) for key, one in self.targets.items()}}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Ensemble:
        """Of ``blend.json`` or ``answer.json``, whatever else they hold."""
        calibration, decision = value.get("calibration"), value.get("decision")
        if calibration is not None:
            from pipeline.blends.calibration import restore_calibration

            calibration = restored(calibration, restore_calibration)
        if decision is not None:
            from pipeline.metrics.decisions import restore_decision

            decision = restored(decision, restore_decision)
        together = bool(value.get("together"))
        return cls(value["weights"], value.get("intercept"), calibration, decision, value.get("targets"), together)


@dataclass(frozen=True)
class FittedEnsemble:
    """folds: the metric of each fold's rows, answered by what the other folds fitted. plain: the same before a
    decision, as all models are scored; weighted: these with the rows counting as ``weights`` say, where they do.

    steps: the mean of such scores after each step that was kept (``blended``, ``calibrated``, ``decided``).
    Whether a step is kept is asked of these same scores, so they are better than new rows' by that one choice.
    """

    ensemble: Ensemble
    folds: list[float]
    plain: list[float]
    steps: dict[str, float]
    weighted: list[float] | None = None


def fit_ensemble(
    frames: Mapping[str, pd.DataFrame],
    target: pd.Series,
    fold: np.ndarray,
    *,
    blend: Blend,
    task: Task,
    target_codec: Target,
    metric: Metric,
    weights: np.ndarray | None = None,
) -> FittedEnsemble:
    """Fit all steps that ``blend`` asks for.

    frames: by model, out-of-fold predictions [rows]; target and fold [rows]: all paired by position.
    weights: how much each row counts, [rows], in all that is fitted and chosen; None: all count alike.
    """
    target = target.reset_index(drop=True)
    library = Library(list(frames.values()), target, task, target_codec, weighing_metric(metric, task))
    combination, levels = _blended(blend.fit, library, fold, metric, weights)
    averages = len(frames) > 1 and blend.numeric and combination.intercept is None
    if averages and target.ndim > 1 and metric.of_target(str(target.columns[0])) is not None:
        # Weights of its own for each target, where folds that did not choose them find that better.
        apart, of_each = _blended(partial(_fit_each_target, blend), library, fold, metric, weights)
        if levels.gain(of_each.outside) > 0:
            combination, levels = apart, of_each

    def by_model(shares: Sequence[float]) -> dict[str, float]:
        return {name: float(share) for name, share in zip(frames, shares, strict=True)}

    targets = None
    if combination.targets is not None:
        targets = {name: by_model(shares) for name, shares in combination.targets.items()}
    ensemble = Ensemble(by_model(combination.weights), combination.intercept, targets=targets)
    steps = {"blended": levels.score}
    if (calibration := levels.step(_calibrations(blend, metric), named=blend.calibration != "auto")) is not None:
        ensemble, steps["calibrated"] = replace(ensemble, calibration=calibration), levels.score
    plain, weighted = levels.fold_scores(), None if weights is None else levels.fold_scores(weights)
    if (decision := levels.step(*_decisions(blend.decision, metric, target))) is not None:
        ensemble, steps["decided"] = replace(ensemble, decision=decision), levels.score
    return FittedEnsemble(ensemble, levels.fold_scores(), plain, steps, weighted)


def chosen_together(ensemble: Ensemble, names: Sequence[str], jointly: Iterable[tuple[str, ...]]) -> Ensemble:
    """The choice of one among models and several that answer together, by model. jointly: which do, each set named by
    its models with plus signs between."""
    (chosen,) = ensemble.models
    some = next((some for some in jointly if " + ".join(some) == chosen), (chosen,))
    weights = {name: 1 / len(some) if name in some else 0.0 for name in names}
    return replace(ensemble, weights=weights, together=len(some) > 1)


def _blended(
    fit: Callable[[Library], Combination],
    library: Library,
    fold: np.ndarray,
    metric: Metric,
    weights: np.ndarray | None,
) -> tuple[Combination, Levels]:
    """Fitted on all rows, and what it gives for each part when the others fit it."""
    levels = Levels(library.target, fold, metric, weights)
    for (others, rows), often in zip(levels.parts, levels.copies, strict=True):
        combination = fit(replace(library.take(others), copies=often))
        for positions, into in ((others, levels.inside), (rows, levels.outside)):
            parts = [frame.iloc[positions] for frame in library.frames]
            into.append(combination.predict(parts, library.task, library.target_codec))
    every = library if levels.counted is None else library.take(levels.counted)
    combination = fit(replace(every, copies=levels.copies_of_all))
    levels.all = combination.predict(library.frames, library.task, library.target_codec)
    return combination, levels


def _fit_each_target(blend: Blend, library: Library) -> Combination:
    """Weights of each target, by what it adds to the metric."""
    targets = {}
    for name in map(str, library.target):
        if (metric := library.metric.of_target(name)) is None:
            raise ValueError(f"the metric {library.metric.name} is no sum over targets")
        narrow = replace(
            library,
            frames=[frame[columns_of(frame.columns, name)] for frame in library.frames],
            target=library.target[[name]],
            target_codec=library.task.only(library.target_codec, name),
            metric=metric,
        )
        targets[name] = list(blend.fit(narrow).weights)
    means = [fmean(weights) for weights in zip(*targets.values(), strict=True)]
    return Combination(means, targets=targets)


def fit_decision_of(
    predictions: pd.DataFrame, target: pd.Series, fold: np.ndarray, metric: Metric, weights: np.ndarray | None = None
) -> tuple[Decision | None, list[float]]:
    """The decision that a lone model's own submission takes, and its folds' honest scores with it."""
    levels = Levels(target.reset_index(drop=True), fold, metric, weights)
    levels.all = predictions
    for others, rows in levels.parts:
        levels.inside.append(predictions.iloc[others])
        levels.outside.append(predictions.iloc[rows])
    decision = levels.step(*_decisions("auto", metric, levels.target))
    return decision, levels.fold_scores()


def weighing_metric(metric: Metric, task: Task) -> Metric:
    """What weights are chosen by. A metric of decided classes is jagged: it moves where a row crosses a
    threshold, and most by the threshold itself. On most sets weights by log loss (squared error, where
    grades are numbers), then thresholds, served rows kept aside better than weights by the metric, then
    thresholds: F1 by 0.026 on Adult, by 0.018 and 0.037 on synthetic classes, by 0.005 on tweets. On a
    House Prices column of 690 rows it was the other way round, by 0.02.
    """
    if metric.decision is None:
        return metric
    from pipeline.metrics import metrics

    smooth = "log_loss" if task.target_kind in PROBABLE else "rmse"
    return metric.over(metrics.build(smooth, "metric"))


def _calibrations(blend: Blend, metric: Metric) -> list[Fit]:
    """In order of their freedom."""
    if blend.calibration == "none" or (blend.calibration == "auto" and not metric.rewards_calibration):
        return []
    from pipeline.blends.calibration import CALIBRATIONS, fit_calibration

    kinds = CALIBRATIONS if blend.calibration == "auto" else (blend.calibration,)
    return [each_target(partial(fit_calibration, kind)) for kind in kinds]


def _decisions(wanted: str, metric: Metric, target: Any) -> tuple[list[Fit], float]:
    """And by how many standard errors they must be better than none."""
    convincing = CONVINCING_OF_DECIDED if metric.each.best_is_most_probable else CONVINCING
    if wanted == "none" or metric.decision is None:
        return [], convincing
    from pipeline.metrics.decisions import fit_decision, may_decide

    targets = {"": target} if target.ndim == 1 else {str(name): target[name] for name in target}
    if not (decided := [name for name, one in targets.items() if may_decide(metric.each, one)]):
        return [], convincing
    return [each_target(partial(fit_decision, metric.each), "regression" in metric.each.tasks, decided)], convincing
