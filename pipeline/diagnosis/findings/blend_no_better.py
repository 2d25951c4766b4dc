"""POD403: a blend that is worse than its best model."""

from __future__ import annotations

from typing import ClassVar

from pipeline.answering.gains import SURE
from pipeline.core.registry import settings
from pipeline.core.shares import p_value
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.comparison import compared
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings


@findings.register("POD403")
@settings
class BlendNoBetter(Finding):
    """The blend's score, on folds that did not choose its weights, against that of the best single model on the same
    folds, by the corrected resampled t-test."""

    title: ClassVar[str] = "the blend is worse than its best model"
    why: ClassVar[str] = (
        "Weights are chosen too, and on few rows or among models alike the choice costs more than averaging gains."
    )
    next: ClassVar[str] = (
        "Submit NAME alone (its own submission lies in final/NAME/), or set the blend to best or equal."
    )

    def look(self, evidence: Evidence) -> Found | None:
        known = compared(evidence)["blend"]
        if known is None or known["gain"] >= 0 or known["p"] > SURE:
            return None
        best, blended = evidence.ranked[0], evidence.blend["valid"]
        return Found(
            measured=f"The blend scores {blended:.5f}, {best.name} alone {best.scores['valid']:.5f} "
            f"({p_value(known['p'])}).",
            next=self.next.replace("NAME", best.name),
            numbers=known,
            about=(best.name,),
        )
