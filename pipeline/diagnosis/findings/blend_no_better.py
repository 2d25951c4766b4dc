"""POD403: a blend that is no better than its best model."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings


@findings.register("POD403")
@settings
class BlendNoBetter(Finding):
    """The blend's score, on folds that did not choose its weights, against that of the best single model."""

    title: ClassVar[str] = "the blend is no better than its best model"
    why: ClassVar[str] = (
        "Weights are chosen too, and on few rows or among models alike the choice costs more than averaging gains."
    )
    severity: ClassVar[Severity] = "note"

    def look(self, evidence: Evidence) -> Found | None:
        if len(evidence.models) < 2:
            return None
        best = evidence.ranked[0]
        blended = evidence.blend["valid"]
        gain = evidence.sign * (blended - best.scores["valid"])
        if gain >= 0 or len([weight for weight in evidence.blend["weights"].values() if weight]) < 2:
            return None
        return Found(
            measured=f"The blend scores {blended:.5f}, {best.name} alone {best.scores['valid']:.5f}.",
            next=f"Submit {best.name} alone (its own submission lies in final/{best.name}/), or set the blend to best "
            "or equal.",
            numbers={"gain": gain},
            about=(best.name,),
        )
