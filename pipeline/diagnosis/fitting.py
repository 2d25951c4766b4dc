"""Whether a model underfits, overfits or fits (Dive into Deep Learning, 3.6): its error on rows that it trained on
against that on rows that it did not, measured from a baseline and from answers without a fault."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.diagnosis.chance import interval

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence, ModelEvidence

LOST = 0.5
"""Part of what a model learned beyond the baseline that does not carry over to new rows, from which it overfits."""
NEW = 0.6
"""Part of a fold's error on new rows that is not there on its training rows, from which, in every fold, it overfits
too: two and a half times the error. Folds that are hard to different degrees say so as surely as even ones."""
LITTLE = 0.05
"""Part of what was learned beyond the baseline below which nothing was lost, however small the error on training rows
is."""
SHORT = 0.1
"""By what part of the best model's gain over the baseline one falls short of it on its own training rows, from which
it underfits."""


def fits(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """By model: its verdict and the numbers behind it."""
    return {name: _fit(evidence, model) for name, model in evidence.models.items()}


def _fit(evidence: Evidence, model: ModelEvidence) -> dict[str, Any]:
    """verdict: underfits, overfits, fits, or None where nothing says it. gap: by how much the training rows score
    better, mean over folds, with its interval. lost: the gap as part of what was learned beyond the baseline.
    new: see ``NEW``, of the fold where it is least. short: see ``SHORT``. parameters, rows: of the final network, and
    those that one fold trains on; rows_a_parameter: the one by the other."""
    gaps = [evidence.sign * (on_train - on_valid) for on_train, on_valid in zip(model.train, model.valid, strict=True)]
    bounds = interval(gaps)
    rows = round(fmean(_training_rows(evidence)))
    facts: dict[str, Any] = {
        "train": fmean(model.train),
        "valid": fmean(model.valid),
        "gap": fmean(gaps),
        "interval": None if bounds is None else list(bounds),
        "lost": None,
        "new": _new(model, evidence.competition.metric.perfect),
        "short": None,
        "parameters": model.parameters,
        "rows": rows,
        "rows_a_parameter": rows / model.parameters if model.parameters else None,
        "verdict": None,
    }
    constant = evidence.baseline
    if constant is None:
        return facts
    learned = evidence.sign * (facts["train"] - constant["valid"])
    best = evidence.ranked[0]
    gain = evidence.sign * (best.scores["valid"] - constant["valid"])
    if learned <= 0 or gain <= 0:
        facts["verdict"] = "underfits" if learned <= 0 < gain else None
        return facts
    facts["lost"] = facts["gap"] / learned
    facts["short"] = evidence.sign * (best.scores["valid"] - facts["train"]) / gain
    short = [evidence.sign * (other - own) for own, other in zip(model.train, best.valid, strict=True)]
    surely_short = (bound := interval(short)) is None or bound[0] > 0
    surely_apart = bounds is None or bounds[0] > 0
    anew = facts["new"] is not None and facts["new"] >= NEW and facts["lost"] >= LITTLE
    if facts["short"] > SHORT and surely_short:
        facts["verdict"] = "underfits"
    elif anew or (facts["lost"] > LOST and surely_apart):
        facts["verdict"] = "overfits"
    else:
        facts["verdict"] = "fits"
    return facts


def _new(model: ModelEvidence, perfect: float | None) -> float | None:
    """See ``NEW``; below 0 where training rows score worse, None where it is not known what no error is."""
    if perfect is None:
        return None
    errors = [
        (abs(train - perfect), abs(valid - perfect)) for train, valid in zip(model.train, model.valid, strict=True)
    ]
    return min(1 - train / valid if valid else 0.0 for train, valid in errors)


def _training_rows(evidence: Evidence) -> list[int]:
    fold = evidence.fold
    split = evidence.competition.split
    return [int(split.training_rows(fold, k).sum()) for k in sorted({*fold[fold >= 0].tolist()})]
