"""What blends promise, what they are fitted to, and what they give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.core.class_columns import columns_of
from pipeline.core.types import Metric, Spec, Target, Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Library:
    """What a blend is fitted to: several models' out-of-fold predictions of the same rows.

    frames: a model each, [rows, columns], paired with ``target`` [rows] by position.
    metric: what weights are chosen by. target_codec: the task's fitted ``Target``. copies: how many of these rows are
    one, where rows that weigh stand there more than once.
    """

    frames: Sequence[pd.DataFrame]
    target: pd.Series
    task: Task
    target_codec: Target
    metric: Metric
    copies: float = 1.0

    def take(self, rows: np.ndarray) -> Library:
        """The rows at these positions alone, numbered from 0."""
        frames = [frame.iloc[rows].reset_index(drop=True) for frame in self.frames]
        return replace(self, frames=frames, target=self.target.iloc[rows].reset_index(drop=True))

    def average(self, frames: Sequence[pd.DataFrame], weights: Sequence[float]) -> pd.DataFrame:
        return self.task.average(frames, weights, self.target_codec)

    def loss(self, frame: pd.DataFrame) -> float:
        """The metric so turned that lower is better."""
        score = self.metric.score(self.target, frame)
        return -score if self.metric.higher_is_better else score


@dataclass(frozen=True)
class Combination:
    """A fitted blend: several models' predictions to one. Plain data.

    weights: one a model. intercept: None for an average, whose weights are not negative and sum
    to 1. Else of a level-two model in the space of raw answers (``Task.raw`` under ``Task.of_no_rows``), one an output:
    raw = intercept + sum of weight times the model's raw answer.
    """

    weights: Sequence[float]
    intercept: Sequence[float] | None = None
    targets: Mapping[str, Sequence[float]] | None = None
    """Of several targets, weights for each in place of those for all, which are then their mean."""

    def predict(self, frames: Sequence[pd.DataFrame], task: Task, target: Target) -> pd.DataFrame:
        """frames: a model each; of those without a weight, anything. A lone one of weight 1 passes unchanged."""
        if self.targets is not None:
            columns: dict[str, pd.Series] = {}
            for name, weights in self.targets.items():
                whole = Combination(weights).predict(frames, task, target)
                columns |= {own: whole[own] for own in columns_of(whole.columns, name)}
            return frames[0].assign(**columns)
        target = task.of_no_rows(target)
        kept = [i for i, weight in enumerate(self.weights) if weight != 0]
        parts, weights = [frames[i] for i in kept], [self.weights[i] for i in kept]
        if self.intercept is None:
            return parts[0] if len(parts) == 1 else task.average(parts, weights, target)
        import numpy as np

        raws = np.stack([task.raw(part, target) for part in parts])  # [models, rows, outputs]
        raw = np.tensordot(weights, raws, 1) + np.array(self.intercept)  # [rows, outputs]
        return task.predictions(raw, target, Spec()).set_axis(parts[0].index)


class Blend(ABC):
    """Shelf ``blends``: how models' predictions become one, learned from out-of-fold predictions."""

    name: ClassVar[str]
    numeric: ClassVar[bool]
    """Whether it averages predictions (then they must be numbers)."""
    tasks: ClassVar[tuple[str, ...] | None] = None
    """The tasks it suits; None: all of them."""
    calibration: Literal["auto", "none", "temperature", "sigmoid", "isotonic"]
    """How the blend's probabilities are calibrated."""
    decision: Literal["auto", "none"]
    """Whether classes are decided by thresholds chosen out of fold, where the metric has a use for them."""
    tells_target: ClassVar[bool] = True
    """Whether its answers tell how probable the target is, where those of its models do."""
    together: int = 0
    """How many models that share their tokens may answer together at most, token by token; their answers then stand in
    the library besides each model's own. 0: none."""
    candidates: int = 1
    """Texts of each row that every model is to tell at least, where it searches for so many."""

    @abstractmethod
    def fit(self, library: Library) -> Combination: ...
