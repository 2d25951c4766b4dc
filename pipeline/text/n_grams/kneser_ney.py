"""Kneser-Ney smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from pipeline.core.errors import UserError
from pipeline.core.registry import settings
from pipeline.text.n_grams import estimators
from pipeline.text.n_grams.base import Interpolated, counts_of_counts
from pipeline.text.n_grams.counts import Counts

Discounts = tuple[
    Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=2)], Annotated[float, Field(ge=0, le=3)]
]


@estimators.register("kneser_ney")
@settings
class KneserNey(Interpolated):
    """Interpolated modified Kneser-Ney (Chen and Goodman 1998), as ``lmplz`` of KenLM has it (Heafield et al. 2013).

    Below order n an n-gram counts as often as it has different tokens before it, but at a row's begin, where none
    stands, as often as it was seen. Unigrams are interpolated with the uniform distribution, from which tokens that
    were never seen have their probability, ``<unk>`` like any other; where it was seen it is a word.

    discounts: taken off counts of 1, 2, and 3 or more, in all orders; None: estimated for each order by equation 26 of
    Chen and Goodman.
    fallback: the discounts of an order that has too few n-grams to estimate them (told where it matters); None refuses.
    """

    discounts: Discounts | None = None
    fallback: Discounts | None = (0.5, 1.0, 1.5)

    def adjusted(self, counts: Counts) -> Sequence[np.ndarray]:
        begin = counts.begin_rows()
        found = []
        for order in range(1, counts.order):
            continued = np.bincount(counts.suffixes[order - 1], minlength=len(counts.counts[order - 1]))
            found.append(np.where(begin[order - 1], counts.counts[order - 1], continued))
        return [*found, counts.counts[-1]]

    def taken_off(self, order: int, adjusted: np.ndarray) -> tuple[np.ndarray, str | None]:
        given = self.discounts or self._estimated(adjusted)
        if given is not None:
            return np.array([0, *given]), None
        few = f"the {order}-grams are too few, or too much alike, to estimate Kneser-Ney discounts"
        if self.fallback is None:
            raise UserError(f"{few}; set discounts or fallback, or a lower order")
        return np.array([0, *self.fallback]), f"{few}: they are {', '.join(f'{one:g}' for one in self.fallback)}"

    def _estimated(self, adjusted: np.ndarray) -> Discounts | None:
        _, n1, n2, n3, n4 = counts_of_counts(adjusted, 4).tolist()
        if not (n1 and n2 and n3):
            return None
        y = n1 / (n1 + 2 * n2)
        found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        return found if min(found) > 0 else None  # with none taken off, nothing would be left for the unseen
