"""POD301: a column that holds the target."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.copies import unexplained
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEFT = 0.05
"""Part of the target that a copy of it leaves unexplained, at most."""


@findings.register("POD301")
@settings
class TargetCopy(Finding):
    """Columns that alone, by the means of their bins or levels in other folds, leave at most 5 % of the target's
    variance, or of a constant answer's mistakes; of a target that is a text, those that are the same but for 5 %."""

    title: ClassVar[str] = "a column holds the target, or nearly"
    why: ClassVar[str] = (
        "What is known only once the outcome is known is not known of new rows; with it, a score says nothing."
    )
    next: ClassVar[str] = (
        "Ask when this value comes to be known. After the outcome: put the column under columns.drop. Before it: a "
        "lookup beats any model here."
    )
    severity: ClassVar[Severity] = "serious"

    def look(self, evidence: Evidence) -> Found | None:
        left = {name: one for name, one in unexplained(evidence).items() if one <= LEFT}
        if not left or len(evidence.train) < 50:
            return None
        told = ", ".join(f"{name} leaves {percent(one)}" for name, one in left.items())
        return Found(
            measured=f"Of what there is to explain of '{evidence.schema.target}', {told}.",
            numbers=left,
            about=tuple(left),
        )
