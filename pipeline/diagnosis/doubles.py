"""What findings of rows that stand again have in common."""

from __future__ import annotations

from typing import ClassVar, Literal

from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence

EXACT, NEAR, ROWS = 0.02, 0.06, 5
"""Shares of exact and of near doubles, and number of rows, below which it is nothing: houses of one row are nearly
alike, and yet two."""


class Doubles(Finding):
    """Told by ``duplicates``."""

    place: ClassVar[Literal["folds", "test"]]
    which: ClassVar[str]
    """Rows, and where they stand again."""

    def look(self, evidence: Evidence) -> Found | None:
        known = evidence.duplicates.get(self.place)
        if known is None or known["near"] * known["rows"] < ROWS:
            return None
        if known["exact"] < EXACT and known["near"] < NEAR:
            return None
        return Found(
            measured=f"{percent(known['exact'])} of {self.which} in every column, {percent(known['near'])} in all "
            "columns but one or but for little in them.",
            numbers={"exact": known["exact"], "near": known["near"]},
            severity=None if known["near"] >= NEAR else "warning",
        )
