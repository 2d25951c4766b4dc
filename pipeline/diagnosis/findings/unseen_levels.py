"""POD203: levels of the test rows that no training row has."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.chance import holm
from pipeline.diagnosis.columns import levels
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEAST = 0.01
"""Share of rows below which it is nothing."""


@findings.register("POD203")
@settings
class UnseenLevels(Finding):
    """More levels that stand in one file alone than rows that fall to the files by lot would give."""

    title: ClassVar[str] = "levels that stand in one file alone"
    why: ClassVar[str] = (
        "A model knows nothing of a level that it never saw, and what it learned of one that vanished helps nobody; "
        "folds hide this, since both their sides have the training file's levels."
    )
    next: ClassVar[str] = (
        "Where the same thing is written otherwise, write it alike; group rare levels; where levels are things that "
        "test rows have others of (customers, places), split by group, so that folds are as hard as the test."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        known = levels(evidence)
        corrected = dict(zip(known, holm([one["p"] for one in known.values()]), strict=True))
        alone = {
            name: one
            for name, one in known.items()
            if corrected[name] <= evidence.level and max(one["unseen"], one["vanished"]) >= LEAST
        }
        if not alone:
            return None
        told = []
        for name, one in alone.items():
            such = f" (such as {', '.join(map(repr, one['examples']))})" if one["examples"] else ""
            told.append(
                f"{name}: {percent(one['unseen'])} of test rows have levels that no training row has{such}, "
                f"{percent(one['vanished'])} of training rows levels that no test row has"
            )
        return Found(
            measured="; ".join(told) + ".",
            numbers={name: {key: one[key] for key in ("p", "unseen", "vanished")} for name, one in alone.items()},
            about=tuple(alone),
        )
