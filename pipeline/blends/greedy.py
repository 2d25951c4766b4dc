"""Greedy forward selection with replacement, bagged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from pipeline.blends import blends
from pipeline.blends.blending import Blending
from pipeline.core.combination import Library
from pipeline.core.registry import settings
from pipeline.core.schema import PROBABLE

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
"""Rows of a bag: more settle weights no better, and each step looks at every row."""

PATIENCE = 10
"""Models taken in a row without a better average before no more are."""


@blends.register("greedy")
@settings
class Greedy(Blending):
    """Add, again and again, the model that helps the average most; weights are how often each
    was taken up to the best average met (Caruana et al. 2004, Ensemble Selection from
    Libraries of Models). Done on several bags of rows, whose weights are averaged: a choice
    among models that differ little hangs on few rows.

    iterations: how many models are taken, the same ones over again included.
    bags: of as many rows as there are, drawn with replacement; 1 chooses once, on all rows.
    fraction: of the models that a bag may choose from, drawn at random.
    seed: of the bags.
    Of equally good models the earlier one is taken.
    """

    numeric: ClassVar[bool] = True

    iterations: int = Field(default=15, ge=1)
    bags: int = Field(default=8, ge=1)
    fraction: float = Field(default=1.0, gt=0, le=1)
    seed: int = 0

    def __post_init__(self) -> None:
        given = [name for name, default in (("fraction", 1.0), ("seed", 0)) if getattr(self, name) != default]
        if self.bags == 1 and given:
            raise ValueError(f"{' and '.join(given)} only matter with several bags; set bags to 2 or more")

    def weights(self, library: Library) -> list[float]:
        models = len(library.frames)
        if models == 1:
            return [1.0]
        if self.bags == 1:
            return [float(weight) for weight in _shares(self._select(library, library.frames), models)]
        total, classes = np.zeros(models), _classes(library)
        for bag in range(self.bags):
            random = np.random.default_rng([self.seed, bag])
            drawn = library.take(_bag(classes, library.copies, random))
            candidates = np.sort(random.choice(models, max(1, round(self.fraction * models)), replace=False))
            chosen = self._select(drawn, [drawn.frames[i] for i in candidates])
            total[candidates] += _shares(chosen, len(candidates))
        return [float(weight) for weight in total / self.bags]

    def _select(self, library: Library, frames: Sequence[pd.DataFrame]) -> list[int]:
        """Models in the order taken, cut at the best average."""
        blend: pd.DataFrame | None = None
        taken: list[int] = []
        losses: list[float] = []
        for size in range(self.iterations):
            # The average so far is one frame, so a candidate costs one average of two, however many were taken.
            share = size / (size + 1)
            trials = [
                frame if blend is None else library.average([blend, frame], [share, 1 - share]) for frame in frames
            ]
            trial_losses = [library.loss(trial) for trial in trials]
            losses.append(min(trial_losses))
            taken.append(trial_losses.index(losses[-1]))
            blend = trials[taken[-1]]
            if len(frames) == 1 or size - losses.index(min(losses)) >= PATIENCE:
                break
        return taken[: losses.index(min(losses)) + 1]


def _classes(library: Library) -> list[np.ndarray]:
    """Of each target its rows' classes, int64 [rows], -1 where missing; numbers are of one class."""
    targets = [library.target] if library.target.ndim == 1 else [library.target[name] for name in library.target]
    if library.task.target_kind in PROBABLE:
        return [target.factorize()[0] for target in targets]
    return [-target.isna().to_numpy().astype(np.int64) for target in targets]


def _bag(classes: list[np.ndarray], copies: float, random: np.random.Generator) -> np.ndarray:
    """Positions of rows drawn with replacement; of classes each its own, so that a rare one is never missing. Of
    several targets a row is added for each class that is, and for a target that no row drawn has."""
    rows = len(classes[0])
    part = min(1 / copies, MOST_ROWS / rows)
    apart = classes[0] if len(classes) == 1 else np.zeros(rows, dtype=np.int64)
    groups = [np.flatnonzero(apart == code) for code in np.unique(apart)]
    drawn = np.concatenate([random.choice(group, max(1, round(part * len(group)))) for group in groups])
    for codes in classes if len(classes) > 1 else ():
        there, counts = (np.bincount(some + 1, minlength=codes.max() + 2)[1:] for some in (codes, codes[drawn]))
        absent = np.flatnonzero((there > 0) & (counts == 0))
        drawn = np.append(drawn, [random.choice(np.flatnonzero(codes == code)) for code in absent]).astype(np.int64)
    return drawn


def _shares(taken: list[int], models: int) -> np.ndarray:
    """How often each model was taken, as a part of all: [models]."""
    return np.bincount(taken, minlength=models) / len(taken)
