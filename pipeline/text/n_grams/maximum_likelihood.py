"""Relative frequencies."""

from __future__ import annotations

import numpy as np

from pipeline.core.registry import settings
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.base import Estimate, Estimator
from pipeline.text.n_grams.counts import Counts


@estimators.register("maximum_likelihood")
@settings
class MaximumLikelihood(Estimator):
    """p(w | h) = c(hw) / c(h) (D2L 9.3). What was never seen after a context that was has probability 0; for a context
    that was never seen the longest end of it that was stands in."""

    def estimate(self, counts: Counts) -> Estimate:
        probabilities, weights = [counts.counts[0] / counts.counts[0].sum()], []
        for order in range(2, counts.order + 1):
            context = counts.contexts(order)  # [n-grams]
            total = np.bincount(context, counts.counts[order - 1], len(probabilities[-1]))  # [contexts]
            weights.append((total == 0).astype(np.float64))
            probabilities.append(counts.counts[order - 1] / total[context])
        return Estimate(probabilities, weights)
