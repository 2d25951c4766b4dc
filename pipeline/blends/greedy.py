"""Greedy forward selection with replacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from pipeline.blends import blends
from pipeline.blends.scoring import Average, Score, loss_of
from pipeline.core.registry import settings

if TYPE_CHECKING:
    import pandas as pd


@blends.register("greedy")
@settings
class Greedy:
    """Add, again and again, the model that helps the average most; weights are how often each
    was taken up to the best average met (Caruana et al. 2004, Ensemble Selection from
    Libraries of Models).

    iterations: how many models are taken, the same ones over again included.
    bags: repeat with only a random ``fraction`` of the models to choose from and average the
    weights, against overfitting a large library; 1 chooses once, from all.
    seed: of the bags.
    Of equally good models the earlier one is taken.
    """

    numeric: ClassVar[bool] = True

    iterations: int = Field(default=100, ge=1)
    bags: int = Field(default=1, ge=1)
    fraction: float = Field(default=0.5, gt=0, le=1)
    seed: int = 0

    def __post_init__(self) -> None:
        given = [name for name, default in (("fraction", 0.5), ("seed", 0)) if getattr(self, name) != default]
        if self.bags == 1 and given:
            raise ValueError(f"{' and '.join(given)} only matter with several bags; set bags to 2 or more")

    def weights(
        self,
        frames: Sequence[pd.DataFrame],
        target: pd.Series,
        score: Score,
        average: Average,
        higher_is_better: bool,
    ) -> list[float]:
        total = np.zeros(len(frames))
        for bag in range(self.bags):
            candidates = self._candidates(len(frames), bag)
            chosen = self._select([frames[i] for i in candidates], score, average, higher_is_better)
            total[candidates] += np.bincount(chosen, minlength=len(candidates)) / len(chosen)
        return [float(weight) for weight in total / self.bags]

    def _candidates(self, models: int, bag: int) -> list[int]:
        if self.bags == 1:
            return list(range(models))
        count = max(1, round(self.fraction * models))
        return sorted(np.random.default_rng([self.seed, bag]).choice(models, count, replace=False).tolist())

    def _select(
        self, frames: Sequence[pd.DataFrame], score: Score, average: Average, higher_is_better: bool
    ) -> list[int]:
        """Models in the order taken, cut at the best average."""
        blend: pd.DataFrame | None = None
        taken: list[int] = []
        losses: list[float] = []
        for size in range(self.iterations):
            # The average so far is one frame, so a candidate costs one average of two, however many were taken.
            share = size / (size + 1)
            trials = [frame if blend is None else average([blend, frame], [share, 1 - share]) for frame in frames]
            trial_losses = [loss_of(score, trial, higher_is_better) for trial in trials]
            losses.append(min(trial_losses))
            taken.append(trial_losses.index(losses[-1]))
            blend = trials[taken[-1]]
            if len(frames) == 1:
                break
        return taken[: losses.index(min(losses)) + 1]
