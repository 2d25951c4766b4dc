"""Language models interpolated: of each token the weighted mean of the probabilities that they give it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from pipeline.blends import blends
from pipeline.blends.blending import Blending
from pipeline.core.combination import Library
from pipeline.core.registry import settings

CONVERGED = 1e-9
"""Nats an item by which a round must make the rows more probable to be followed by another."""
LEAST = 1e-3
"""Weights below it are none: a model that does next to nothing is not to be fitted and carried."""


@blends.register("mixture")
@settings
class Mixture(Blending):
    """The weights under which the out-of-fold tokens are most probable, by expectation maximisation (Dempster et al.
    1977; Jelinek and Mercer 1980). Models that cut texts into other tokens than the rest are mixed by whole rows.

    rounds: at most.
    """

    numeric: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...] | None] = ("language_model",)

    rounds: int = Field(default=500, ge=1)

    def weights(self, library: Library) -> list[float]:
        logs, _ = library.task.likelihoods(library.frames)  # [models, items]
        kept = np.arange(len(logs))
        while True:
            weights = self._most_probable(logs[kept])
            if (weights >= LEAST).all():
                break
            kept = kept[weights >= LEAST]
        found = np.zeros(len(logs))
        found[kept] = weights
        return [float(weight) for weight in found]

    def _most_probable(self, logs: np.ndarray) -> np.ndarray:
        """logs: [models, items] -> weights [models]."""
        weights = np.full(len(logs), 1 / len(logs))
        before = -np.inf
        for _ in range(self.rounds):
            with np.errstate(divide="ignore"):
                joint = logs + np.log(weights)[:, None]  # [models, items]
            total = np.logaddexp.reduce(joint, axis=0)  # [items]
            weights = np.exp(joint - total).mean(axis=1)  # how much of each item is each model's
            weights /= weights.sum()
            if total.mean() - before < CONVERGED:
                break
            before = total.mean()
        return weights
