"""Models against each other on the same folds: which differences may be by chance."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.answering.gains import SURE, chance
from pipeline.core.errors import UserError
from pipeline.diagnosis.chance import holm, interval

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence, ModelEvidence

PARTS = 10
"""Of the rows of a holdout."""


def compared(evidence: Evidence) -> dict[str, Any]:
    """``best``: the model that scores best. ``others``: of each other one by how much the best is better, its
    interval over the same folds, ``p`` (corrected resampled t-test) and that of all comparisons together (Holm). Of one
    fold, a holdout, both are by its rows: a paired t-test over parts of them, which says nothing of other trainings.
    ``tied``: those better than the
    baseline that the folds cannot tell from the best. ``blend``: its gain over the best model, and its p."""
    best, *rest = evidence.ranked
    others: dict[str, dict[str, Any]] = {model.name: _against(evidence, best, model) for model in rest}
    for one, corrected in zip(others.values(), holm([one["p"] for one in others.values()]), strict=True):
        one["corrected"] = float(corrected)
    constant = evidence.baseline
    able = [
        model.name
        for model in rest
        if constant is None or evidence.sign * (model.scores["valid"] - constant["valid"]) > 0
    ]
    tied = [name for name in able if others[name]["corrected"] > SURE]
    return {"best": best.name, "others": others, "tied": tied, "blend": _of_blend(evidence, best.valid)}


def _against(evidence: Evidence, best: ModelEvidence, other: ModelEvidence) -> dict[str, Any]:
    gains = [evidence.sign * (a - b) for a, b in zip(best.valid, other.valid, strict=True)]
    if len(gains) == 1 and len(parts := _of_parts(evidence, best, other)) > 1:
        from scipy.stats import ttest_1samp

        test = ttest_1samp(parts, 0.0)
        bounds = test.confidence_interval()
        return {"gain": gains[0], "interval": [float(bounds.low), float(bounds.high)], "p": float(test.pvalue)}
    known = interval(gains)
    return {"gain": fmean(gains), "interval": None if known is None else list(known), "p": chance(gains)}


def _of_parts(evidence: Evidence, best: ModelEvidence, other: ModelEvidence) -> list[float]:
    """By how much the best is better on each of ``PARTS`` disjoint parts of the held-out rows, drawn once; of none,
    where a part cannot be scored, or all are alike."""
    import numpy as np

    if not np.array_equal(best.rows, other.rows) or len(best.rows) < 2 * PARTS:
        return []
    target, metric = evidence.target.iloc[best.rows].reset_index(drop=True), evidence.competition.metric
    gains = []
    for some in np.array_split(np.random.RandomState(0).permutation(len(target)), PARTS):
        truth = target.iloc[some].reset_index(drop=True)
        try:
            scores = [
                metric.score(truth, model.predictions.iloc[some].reset_index(drop=True)) for model in (best, other)
            ]
        except (UserError, ValueError, ZeroDivisionError):
            return []
        gains.append(evidence.sign * (scores[0] - scores[1]))
    return gains if len(set(gains)) > 1 else []


def _of_blend(evidence: Evidence, best: list[float]) -> dict[str, float] | None:
    """By how much the blend is better than the best model, and how probable so much is by chance."""
    if len(evidence.models) < 2 or len(evidence.blend["folds"]) != len(best):
        return None
    gains = [evidence.sign * (own - other) for own, other in zip(evidence.blend["folds"], best, strict=True)]
    return {"gain": fmean(gains), "p": chance(gains)}
