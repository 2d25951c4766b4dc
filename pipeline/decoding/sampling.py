"""Search ``sampling``."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.decoding import searches
from pipeline.decoding.base import OneByOne, probabilities, ranked


@searches.register("sampling")
@settings
class Sampling(OneByOne):
    """Tokens drawn by their probabilities.

    temperature: log-probabilities are divided by it; below 1 what is probable becomes more so.
    top_k: only among the k most probable tokens (Fan et al. 2018); 0: among all.
    top_p: of these only among the fewest most probable ones that have p of the probability together (the nucleus,
    Holtzman et al. 2020); 1: among all. One at least is left.
    """

    temperature: float = Field(default=1.0, gt=0)
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)

    def choose(self, logs: np.ndarray, draws: np.ndarray) -> np.ndarray:
        sums = self.distribution(logs).cumsum(axis=1)  # [lanes, tokens]
        # Of a token of probability 0 the sum is that of the one before it, and below 1 the first above is taken.
        return (sums > draws[:, None] * sums[:, -1:]).argmax(axis=1)

    def distribution(self, logs: np.ndarray) -> np.ndarray:
        """What is drawn from: log-probabilities [lanes, tokens] to probabilities that sum to 1 in each lane."""
        logs = logs.astype(np.float64) / self.temperature
        if self.top_k or self.top_p < 1:
            order = ranked(logs)  # [lanes, tokens]
            if self.top_k:
                np.put_along_axis(logs, order[:, self.top_k :], -np.inf, axis=1)
            if self.top_p < 1:
                found = np.take_along_axis(probabilities(logs), order, axis=1)  # the most probable first
                before = np.cumsum(found, axis=1) - found
                kept = np.take_along_axis(logs, order, axis=1)
                np.put_along_axis(logs, order, np.where(before < self.top_p, kept, -np.inf), axis=1)
        return probabilities(logs)
