"""POD308: folds that train on what comes later."""

from __future__ import annotations

from typing import Any, ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.easier_folds import EasierFolds
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.leaks import times

APART, NONE = 0.25, 0.05
"""By how much more of their training rows lie behind validated rows than behind test rows, and how much behind test
rows is none."""


@findings.register("POD308")
@settings
class TimeBackwards(EasierFolds):
    """The share of a fold's training rows that are later than a validated row, against the share of all training rows
    that are later than a test row; of dates, and of numbers that are named as times."""

    title: ClassVar[str] = "folds look into the future, and the test does not"
    why: ClassVar[str] = (
        "Rows of the days before and after tell what a day is like, and of test rows only those before are known: "
        "validation promises too much."
    )
    next: ClassVar[str] = "Set columns.time: NAME and the split time_ordered, so that folds ask what the test asks."
    told: ClassVar[str] = (
        "{folds} of a fold's training rows are later than the row they are to answer, {test} than a test row"
    )

    def columns(self, evidence: Evidence) -> dict[str, dict[str, Any]]:
        found = times(evidence).items()
        return {name: one for name, one in found if one["test"] <= NONE and one["folds"] - one["test"] >= APART}
