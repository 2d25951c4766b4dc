"""POD303: rows that stand in two folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEAST, NEARLY, ROWS = 0.02, 0.06, 5
"""Shares of exact and of near doubles, and number of rows, below which it is nothing: houses of one row are nearly
alike, and yet two."""


def many(known: Mapping[str, float] | None) -> bool:
    """known: of ``leaks.duplicates``."""
    if known is None or known["near"] * known["rows"] < ROWS:
        return False
    return known["exact"] >= LEAST or known["near"] >= NEARLY


@findings.register("POD303")
@settings
class DuplicatesAcrossFolds(Finding):
    """Validated rows that another fold has too, in all columns or in all but one, where these values are too rare to
    meet by chance."""

    title: ClassVar[str] = "rows stand in more than one fold"
    why: ClassVar[str] = (
        "A model that trained on a row's double need not learn anything to answer it, so validation flatters whatever "
        "learns by heart."
    )
    severity: ClassVar[Severity] = "serious"

    def look(self, evidence: Evidence) -> Found | None:
        known = evidence.duplicates.get("folds")
        if known is None or not many(known):
            return None
        return Found(
            measured=f"{known['exact']:.1%} of validated rows stand in another fold in every column, "
            f"{known['near']:.1%} in all columns but one or but for how values are written.",
            next="Keep one of each, or give doubles a group of their own (columns.group and the split grouped), so "
            "that they fall to one fold.",
            numbers={"exact": known["exact"], "near": known["near"]},
            severity=None if known["near"] >= NEARLY else "warning",
        )
