"""What steps after the models make of out-of-fold predictions, each step kept where folds that did not fit it gain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pipeline.answering.out_of_fold import fold_scores, parts_of
from pipeline.core.errors import Diverged, UserError
from pipeline.core.types import Metric
from pipeline.core.weighting.importance import copies, repeated, weighted_score

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CONVINCING = 0.5
"""Standard errors of the folds' gains by which a step must be better than none to be kept."""
Fit = Callable[["pd.Series", "pd.DataFrame", float], Any]
"""Out-of-fold target and predictions, paired by position, and how many of these rows are one, to a calibration or
decision."""


@dataclass
class Levels:
    """Predictions as the steps taken so far make them."""

    target: pd.Series
    fold: np.ndarray
    metric: Metric
    weights: np.ndarray | None = None
    """How much each row counts, [rows]; None: all alike."""
    all: Any = None
    """[rows] by steps fitted on all rows."""
    inside: list[pd.DataFrame] = field(default_factory=list)
    """For each part the other rows', as often as they count, by steps fitted on these."""
    outside: list[pd.DataFrame] = field(default_factory=list)
    """For each part its own rows', by the same steps."""
    parts: list[tuple[np.ndarray, np.ndarray]] = field(init=False)
    counted: np.ndarray | None = field(init=False, default=None)
    """Positions of all rows, as often as they count; None: each once."""
    copies: list[float] = field(init=False)
    copies_of_all: float = field(init=False, default=1.0)
    """Of each part's other rows, and of all, how many are one."""

    def __post_init__(self) -> None:
        self.parts = parts_of(self.fold)
        self.copies = [1.0] * len(self.parts)
        if self.weights is not None:
            self.counted = repeated(self.weights)
            self.copies_of_all = copies(self.weights, self.counted)
            often = [(others, others[repeated(self.weights[others])], rows) for others, rows in self.parts]
            self.copies = [copies(self.weights[others], counted) for others, counted, _ in often]
            self.parts = [(counted, rows) for _, counted, rows in often]

    @property
    def score(self) -> float:
        return fmean(self.fold_scores())

    def fold_scores(self, weights: np.ndarray | None = None) -> list[float]:
        """The metric of each fold's rows, by steps that other folds fitted; weighted, where they count so."""
        import numpy as np
        import pandas as pd

        order = np.argsort(np.concatenate([rows for _, rows in self.parts]), kind="stable")
        honest = pd.concat(self.outside, ignore_index=True).iloc[order]
        return fold_scores(self.metric.score, self.target, honest, self.fold, weights)

    def step(self, candidates: Sequence[Fit], convincing: float = CONVINCING, *, named: bool = False) -> Any:
        """Take the candidate that the parts find best, if it is convincingly better than none; give it
        as fitted on all rows. named: the only candidate, asked for by name, is taken without asking."""
        best: tuple[float, Fit, list[Any]] | None = None
        for fit in candidates:
            parts = zip(self.parts, self.inside, self.copies, strict=True)
            fitted = [fit(self.target.iloc[others], inside, often) for (others, _), inside, often in parts]
            after = [] if named else [step.apply(part) for step, part in zip(fitted, self.outside, strict=True)]
            gain = 0.0 if named else self.gain(after, convincing)
            if named or (gain > 0 and (best is None or gain > best[0])):
                best = gain, fit, fitted
        if best is None:
            return None
        _, fit, fitted = best
        self.inside = [step.apply(part) for step, part in zip(fitted, self.inside, strict=True)]
        self.outside = [step.apply(part) for step, part in zip(fitted, self.outside, strict=True)]
        every = slice(None) if self.counted is None else self.counted
        step = fit(self.target.iloc[every], self.all.iloc[every], self.copies_of_all)
        self.all = step.apply(self.all)
        return step

    def gain(self, outside: Sequence[pd.DataFrame], convincing: float = CONVINCING) -> float:
        """By how much the parts' scores would be better with these predictions, 0 where it does not convince."""
        sign = 1 if self.metric.higher_is_better else -1
        scores = zip(self._part_scores(outside), self._part_scores(self.outside), strict=True)
        gains = [sign * (new - old) for new, old in scores]
        if not gains:
            return 0.0
        error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        return fmean(gains) if fmean(gains) > convincing * error else 0.0

    def _part_scores(self, predictions: Sequence[pd.DataFrame]) -> list[float]:
        """Of each part. Those of a single fold are small: one whose target has no score, such as an area of one class
        alone, says nothing."""
        scores, one_fold = [], (self.fold == self.fold[0]).all()
        for (_, rows), part in zip(self.parts, predictions, strict=True):
            target, own = self.target.iloc[rows].reset_index(drop=True), part.reset_index(drop=True)
            try:
                if self.weights is None:
                    scores.append(self.metric.score(target, own))
                else:
                    scores.append(weighted_score(self.metric.score, target, own, self.weights[rows]))
            except UserError as fault:
                if isinstance(fault, Diverged) or not one_fold:
                    raise
        return scores
