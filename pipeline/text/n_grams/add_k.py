"""Lidstone's estimate."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.base import Estimate, Estimator, predicted, uniform
from pipeline.text.n_grams.counts import Counts


@estimators.register("add_k")
@settings
class AddK(Estimator):
    """p(w | h) = (c(hw) + k) / (c(h) + k V), of V tokens that may follow (D2L 9.3; Laplace where k is 1).

    It holds for the contexts that a text has: of n - 1 tokens, or back to the row's begin. After any shorter one, and
    after one that was never seen, all tokens are alike.
    """

    k: float = Field(default=1.0, gt=0, le=1e6)

    def estimate(self, counts: Counts) -> Estimate:
        may = predicted(counts.vocabulary_size)
        room = self.k * may.sum()
        if counts.order == 1:
            return Estimate([np.where(may, (counts.counts[0] + self.k) / (counts.counts[0].sum() + room), 0)], [])
        probabilities, weights = [uniform(counts.vocabulary_size)], []
        begin = counts.begin_rows()
        for order in range(2, counts.order + 1):
            context = counts.contexts(order)  # [n-grams]
            number = counts.counts[order - 1]
            total = np.bincount(context, number, len(probabilities[-1]))  # [contexts]
            full = begin[order - 2] if order < counts.order else np.ones(len(total), bool)
            weights.append(np.where(full, room / (total + room), 1.0))
            probabilities.append(np.where(full[context], (number + self.k) / (total[context] + room), 1 / may.sum()))
        return Estimate(probabilities, weights)
