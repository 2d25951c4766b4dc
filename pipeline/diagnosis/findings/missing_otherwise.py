"""POD204: values that are missing more often in one of the files."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.chance import holm
from pipeline.diagnosis.columns import missing
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEAST = 0.02
"""Difference of the shares below which it is nothing."""


@findings.register("POD204")
@settings
class MissingOtherwise(Finding):
    """Fisher's exact test of each column's missing values, the p-values corrected for their number (Holm)."""

    title: ClassVar[str] = "values are missing more often in one file"
    why: ClassVar[str] = (
        "What is filled in for a missing value is learned from the training rows; where many more are missing in the "
        "test rows, models answer with what they filled in."
    )
    next: ClassVar[str] = (
        "See how the test file marks what is missing (columns.formats, source.missing); leave the column out where "
        "test rows hardly have it."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        known = missing(evidence)
        corrected = dict(zip(known, holm([one["p"] for one in known.values()]), strict=True))
        moved = {
            name: one
            for name, one in known.items()
            if corrected[name] <= evidence.level and abs(one["train"] - one["test"]) >= LEAST
        }
        if not moved:
            return None
        worst = sorted(moved, key=lambda name: (-abs(moved[name]["train"] - moved[name]["test"]), name))
        told = ", ".join(
            f"{name} {percent(moved[name]['train'])} and {percent(moved[name]['test'])}" for name in worst[:5]
        )
        return Found(
            measured=f"Missing in training and in test rows: {told}.",
            numbers={name: moved[name] for name in worst},
            about=tuple(worst),
        )
