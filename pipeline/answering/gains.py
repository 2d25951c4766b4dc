"""Whether something helped: one model with and without it, on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, variance

from pipeline.core.types import Metric

SURE = 0.05
"""How probable such a difference may be by chance alone, to be called one."""


def chance(gains: Sequence[float]) -> float:
    """How probable a mean as far from 0 is where there is no difference (Nadeau and Bengio 2003, the corrected
    resampled t-test: folds train on much the same rows, so their scores spread less than those of new rows would).

    gains: a fold's each. 1 where there are too few to tell.
    """
    from scipy.stats import t

    folds = len(gains)
    if folds < 2 or not any(gains):
        return 1.0
    spread = variance(gains)
    if spread == 0:
        return 0.0
    return float(2 * t.sf(abs(fmean(gains)) / (spread * (1 / folds + 1 / (folds - 1))) ** 0.5, folds - 1))


def told_gain(what: str, metric: Metric, with_it: Sequence[float], without: Sequence[float]) -> str:
    """A line for a person. with_it, without: the metric of each fold."""
    sign = 1 if metric.higher_is_better else -1
    gains = [sign * (one - other) for one, other in zip(with_it, without, strict=True)]
    better, p = sum(gain > 0 for gain in gains), chance(gains)
    verdict = "no difference that these folds can tell" if p > SURE else "it helps" if fmean(gains) > 0 else "it hurts"
    return (
        f"{what}: {metric.label} {fmean(with_it):.5f} with, {fmean(without):.5f} without, better in {better} of "
        f"{len(gains)} folds (p {p:.2f}): {verdict}"
    )
