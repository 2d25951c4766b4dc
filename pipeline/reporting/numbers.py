"""Scores in words, alike all over the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median


class Numbers:
    """Scores with the same decimals all over the page, so that a column can be read down."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals

    def __call__(self, value: float | None) -> str:
        return "" if value is None else f"{value:,.{self.decimals}f}".replace("-", "\u2212")


def alike(scores: Sequence[float], spreads: Sequence[float]) -> Numbers:
    """Decimals that show three digits of each score, and two of the usual spread and step from one to the next."""
    ordered = sorted(scores)
    gaps = [high - low for low, high in pairwise(ordered) if high > low]
    usual = [median(known) for sizes in (spreads, gaps) if (known := [one for one in sizes if 0 < one < math.inf])]
    sizes = [abs(score) for score in scores if score and math.isfinite(score)]
    needed = [2 - math.floor(math.log10(min(sizes)))] if sizes else [4]
    needed += [1 - math.floor(math.log10(min(usual)))] if usual else [4]
    return Numbers(min(max(0, *needed), 6) if min(sizes, default=0) < 1000 else 0)
