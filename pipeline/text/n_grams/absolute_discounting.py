"""Absolute discounting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from pipeline.core.registry import settings
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.base import Interpolated, counts_of_counts
from pipeline.text.n_grams.counts import Counts

FALLBACK = 0.5


@estimators.register("absolute_discounting")
@settings
class AbsoluteDiscounting(Interpolated):
    """One discount for all counts, interpolated (Ney, Essen and Kneser 1994).

    discount: between 0 and 1; None: n1 / (n1 + 2 n2) for each order, where n1 n-grams were seen once and n2 twice, 0.5
    where there are none of either.
    """

    discount: float | None = Field(default=None, gt=0, le=1)

    def adjusted(self, counts: Counts) -> Sequence[np.ndarray]:
        return counts.counts

    def taken_off(self, order: int, adjusted: np.ndarray) -> tuple[np.ndarray, str | None]:
        if self.discount is not None:
            return np.array([0, self.discount]), None
        _, once, twice = counts_of_counts(adjusted, 2).tolist()
        if once and twice:
            return np.array([0, once / (once + 2 * twice)]), None
        seen = "once" if twice else "twice"
        return np.array([0, FALLBACK]), f"no {order}-gram was seen {seen}: its discount is {FALLBACK}"
