"""POD303: rows that stand in two folds."""

from __future__ import annotations

from typing import ClassVar, Literal

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Severity
from pipeline.diagnosis.doubles import Doubles
from pipeline.diagnosis.findings import findings


@findings.register("POD303")
@settings
class DuplicatesAcrossFolds(Doubles):
    """Validated rows that stand among those that their fold trains on, in all columns, or in all but one or but for
    little in their texts and images, where these values are too rare to meet by chance."""

    title: ClassVar[str] = "rows stand in more than one fold"
    why: ClassVar[str] = (
        "A model that trained on a row's double need not learn anything to answer it, so validation flatters whatever "
        "learns by heart."
    )
    severity: ClassVar[Severity] = "serious"
    place: ClassVar[Literal["folds", "test"]] = "folds"
    which: ClassVar[str] = "validated rows stand in another fold"
    next: ClassVar[str] = (
        "Keep one of each, or give doubles a group of their own (columns.group and the split grouped), so that they "
        "fall to one fold."
    )
