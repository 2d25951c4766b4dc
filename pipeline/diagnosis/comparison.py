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
    baseline that the folds cannot tell from the best."""
    best, *rest = evidence.ranked
    gains = {
        model.name: [evidence.sign * (a - b) for a, b in zip(best.valid, model.valid, strict=True)] for model in rest
    }
    p_values = [chance(of_folds) for of_folds in gains.values()]
    others = {
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
    return {"best": best.name, "others": others, "tied": tied}
