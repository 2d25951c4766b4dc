"""Models against each other on the same folds: which differences may be by chance."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.answering.gains import SURE, chance
from pipeline.diagnosis.chance import holm, interval

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence


def compared(evidence: Evidence) -> dict[str, Any]:
    """``best``: the model that scores best. ``others``: of each other one by how much the best is better, its
    interval over the same folds, ``p`` (corrected resampled t-test) and that of all comparisons together (Holm).
    ``tied``: those better than the
    baseline that the folds cannot tell from the best. ``blend``: its gain over the best model, and its p."""
    best, *rest = evidence.ranked
    gains = {
        model.name: [evidence.sign * (a - b) for a, b in zip(best.valid, model.valid, strict=True)] for model in rest
    }
    p_values = [chance(of_folds) for of_folds in gains.values()]
    others: dict[str, dict[str, Any]] = {
        name: {
            "gain": fmean(of_folds),
            "interval": None if (bounds := interval(of_folds)) is None else list(bounds),
            "p": p,
            "corrected": float(corrected),
        }
        for (name, of_folds), p, corrected in zip(gains.items(), p_values, holm(p_values), strict=True)
    }
    constant = evidence.baseline
    able = [
        model.name
        for model in rest
        if constant is None or evidence.sign * (model.scores["valid"] - constant["valid"]) > 0
    ]
    tied = [name for name in able if others[name]["corrected"] > SURE]
    return {"best": best.name, "others": others, "tied": tied, "blend": _of_blend(evidence, best.valid)}


def _of_blend(evidence: Evidence, best: list[float]) -> dict[str, float] | None:
    """By how much the blend is better than the best model, and how probable so much is by chance."""
    if len(evidence.models) < 2 or len(evidence.blend["folds"]) != len(best):
        return None
    gains = [evidence.sign * (own - other) for own, other in zip(evidence.blend["folds"], best, strict=True)]
    return {"gain": fmean(gains), "p": chance(gains)}
