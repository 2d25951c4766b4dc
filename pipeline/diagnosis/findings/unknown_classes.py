"""POD207: classes of the test rows that no training row has."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.label_shift import unknown_classes


@findings.register("POD207")
@settings
class UnknownClasses(Finding):
    """The solution's classes, where one is known, that are not the target's in the training file, and the share of
    test rows that have them."""

    title: ClassVar[str] = "test rows have classes that training rows never had"
    why: ClassVar[str] = (
        "No model answers a class that it never met: these rows are lost whatever is trained, and validation knows "
        "nothing of them (label shift, Dive into Deep Learning 4.7)."
    )
    next: ClassVar[str] = (
        "See whether they are known classes written otherwise; else find training rows of them (source.extra), or "
        "answer them by a rule."
    )
    severity: ClassVar[Severity] = "serious"

    def look(self, evidence: Evidence) -> Found | None:
        known = unknown_classes(evidence)
        if not known:
            return None
        told = ", ".join(f"{level} ({percent(share)} of the rows)" for level, share in known.items())
        return Found(
            measured=f"Of the solution, no training row has {told}.",
            numbers=known,
            about=tuple(known),
        )
