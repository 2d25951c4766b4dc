"""Curves of several fits as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

ITERATION = "iteration"
"""Where each point of a thinned curve lies; one without it has a point an epoch."""


def mean_curves(curves: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Of the fits that have them, as far as all go.

    Thinned curves have points a step of their own apart, so the mean of two points in the same place would be one of
    different iterations: each is read off, between its points, at the iterations of the fit that ended first.
    """
    known = [one for one in curves if any(one.values())]
    names = [name for name in known[0] if all(name in one for one in known)] if known else []
    if ITERATION not in names:
        return {name: [fmean(values) for values in zip(*(one[name] for one in known), strict=False)] for name in names}
    import numpy as np

    first, shortest = max(one[ITERATION][0] for one in known), min((one[ITERATION] for one in known), key=_last)
    at = [float(point) for point in shortest if point >= first] or [float(shortest[-1])]
    means = {name: np.mean([np.interp(at, one[ITERATION], one[name]) for one in known], axis=0) for name in names}
    return {**{name: values.tolist() for name, values in means.items()}, ITERATION: at}


def _last(points: Sequence[float]) -> float:
    return points[-1]
