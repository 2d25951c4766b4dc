"""POD306: statistics that saw the rows they are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

ROWS = {"train": "all training rows at once, validation rows too", "train_and_test": "training and test rows together"}
NARROW = {"statistics": "training", "vocabulary": "fold"}
"""Settings that widen them, with the value that does not."""
SEE = "and see whether the score moves by more than its spread."


@findings.register("POD306")
@settings
class WideStatistics(Finding):
    """Feature sets whose ``statistics``, or ``vocabulary``, are of more rows than a fold trains on."""

    title: ClassVar[str] = "statistics are of more rows than models train on"
    why: ClassVar[str] = (
        "Means, spreads and levels of validation rows have gone into what is validated by them: mostly harmless, as "
        "the book does it (5.7), but the score is not quite that of new rows."
    )
    next: ClassVar[str] = f"Set statistics: training, or vocabulary: fold where a set reads tokens, {SEE}"
    severity: ClassVar[Severity] = "note"

    def look(self, evidence: Evidence) -> Found | None:
        used = {model.config.features for model in evidence.models.values()}
        wide = {key: value for key, value in evidence.facts["statistics"].items() if value in ROWS and key in used}
        if not wide:
            return None
        named = {key: setting_of(evidence.competition.raw["features"][key], value) for key, value in wide.items()}
        told = "; ".join(f"'{key}' takes its {named[key]} from {ROWS[value]}" for key, value in wide.items())
        sets = "; ".join(f"{name}: {NARROW[name]} in feature set '{key}'" for key, name in named.items())
        return Found(measured=f"Feature set {told}.", next=f"Set {sets}, {SEE}", numbers=wide, about=tuple(wide))


def setting_of(raw: Any, value: str) -> str:
    """The setting of a feature set that says which rows it learns from. raw: as params.yaml has it, where only who
    says so has another value than the default."""
    return next((name for name in NARROW if isinstance(raw, Mapping) and raw.get(name) == value), "statistics")
