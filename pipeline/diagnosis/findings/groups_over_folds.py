"""POD305: things that folds share, and the test does not."""

from __future__ import annotations

from typing import Any, ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.easier_folds import EasierFolds
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.leaks import groups

APART = 0.3
"""By how much more validation rows know their thing than test rows do."""


@findings.register("POD305")
@settings
class GroupsOverFolds(EasierFolds):
    """Columns whose values are things of several rows each: validation rows whose thing is among the rows that their
    fold trains on, against test rows whose thing is among the training rows."""

    title: ClassVar[str] = "rows of one thing are spread over folds, and test rows are of other things"
    why: ClassVar[str] = (
        "Folds ask a model about things that it has met (patients, shops, photographers), the test about ones that it "
        "has not: validation promises too much."
    )
    next: ClassVar[str] = "Set columns.group: NAME and the split grouped, so that folds ask what the test asks."
    told: ClassVar[str] = (
        "{folds} of validated rows have a value that their fold trains on, {test} of test rows one that "
        "training rows have"
    )

    def columns(self, evidence: Evidence) -> dict[str, dict[str, Any]]:
        return {name: one for name, one in groups(evidence).items() if one["folds"] - one["test"] >= APART}
