"""What every blend has."""

from __future__ import annotations

from typing import Literal

from pipeline.core.combination import Blend, Combination, Library
from pipeline.core.registry import settings


@settings
class Blending(Blend):
    """Settings of what follows once models are blended.

    calibration: of the blend's probabilities: ``temperature``, ``sigmoid`` or ``isotonic``
    (``calibration.py``), ``none``, or ``auto``, the one that folds which did not fit it find best,
    or none, where the metric looks at probabilities.
    decision: ``auto`` chooses the classes' thresholds (ordered classes' cut points) where the metric
    has a use for them and folds that did not choose find it better with them; ``none`` leaves it
    at the most probable class.
    """

    calibration: Literal["auto", "none", "temperature", "sigmoid", "isotonic"] = "auto"
    decision: Literal["auto", "none"] = "auto"

    def fit(self, library: Library) -> Combination:
        return Combination(self.weights(library))

    def weights(self, library: Library) -> list[float]:
        """Of an average: one weight a model, not negative, summing to 1."""
        raise NotImplementedError


def best_model(library: Library) -> int:
    """Index of the best single model, the first of equals."""
    losses = [library.loss(frame) for frame in library.frames]
    return losses.index(min(losses))


def only(chosen: int, models: int) -> list[float]:
    """Weight 1 for one model of several."""
    return [float(i == chosen) for i in range(models)]
