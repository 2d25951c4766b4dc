"""POD205: classes are more, or less, frequent among test rows."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent, span
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.label_shift import label_shift

LEAST = 0.05
"""Difference of a class's shares below which it is nothing."""


@findings.register("POD205")
@settings
class LabelShift(Finding):
    """Black-box shift estimation from the out-of-fold confusion matrix."""

    title: ClassVar[str] = "classes have other shares in the test rows"
    why: ClassVar[str] = (
        "A model takes the training rows' shares for granted: where a class is rarer in the test, it is answered too "
        "often, and probabilities are off (label shift, Dive into Deep Learning 4.7)."
    )
    next: ClassVar[str] = (
        "fit.weights: label_shift multiplies each class's probability by its share in the test over that in train, "
        "or weighs training rows so, and shows by the folds what it is worth; leave it where the columns shifted too, "
        "since the estimate holds for shares alone."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        known = label_shift(evidence)
        if known is None or known["p"] > evidence.level:
            return None
        moved = {
            level: one
            for level, one in known["classes"].items()
            if abs(one["test"] - one["train"]) >= LEAST and not one["interval"][0] <= one["train"] <= one["interval"][1]
        }
        if not moved:
            return None
        worst = sorted(moved, key=lambda level: (-abs(moved[level]["test"] - moved[level]["train"]), level))
        told = ", ".join(
            f"{level} {percent(moved[level]['train'])} in train and {percent(moved[level]['test'])} "
            f"({span(moved[level]['interval'], percent)}) in test"
            for level in worst[:5]
        )
        first = moved[worst[0]]["interval"]
        return Found(
            measured=f"By the answers of {known['model']} and its mistakes out of fold: {told}.",
            numbers={**moved, "p": known["p"]},
            interval=(first[0], first[1]),
            about=tuple(worst),
        )
