"""POD306: statistics that saw the rows they are judged by."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

ROWS = {"train": "all training rows at once, validation rows too", "train_and_test": "training and test rows together"}


@findings.register("POD306")
@settings
class WideStatistics(Finding):
    """Feature sets whose ``statistics`` are of more rows than a fold trains on."""

    title: ClassVar[str] = "statistics are of more rows than models train on"
    why: ClassVar[str] = (
        "Means, spreads and levels of validation rows have gone into what is validated by them: mostly harmless, as "
        "the book does it (5.7), but the score is not quite that of new rows."
    )
    next: ClassVar[str] = "Set statistics: training, and see whether the score moves by more than its spread."
    severity: ClassVar[Severity] = "note"

    def look(self, evidence: Evidence) -> Found | None:
        used = {model.config.features for model in evidence.models.values()}
        wide = {key: value for key, value in evidence.facts["statistics"].items() if value in ROWS and key in used}
        if not wide:
            return None
        told = "; ".join(f"'{key}' takes its statistics from {ROWS[value]}" for key, value in wide.items())
        return Found(
            measured=f"Feature set {told}.",
            numbers=wide,
            about=tuple(wide),
        )
