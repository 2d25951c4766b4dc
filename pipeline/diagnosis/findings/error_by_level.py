"""POD208: errors that lean to one side in some places, and to the other elsewhere."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.chance import holm
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.order import by_level

LEAST = 0.1
"""Part of the errors' spread that levels explain, below which it is nothing."""


@findings.register("POD208")
@settings
class ErrorByLevel(Finding):
    """Kruskal-Wallis test of the blend's errors out of fold, signed where the target is a number or one of two classes,
    over the levels of each column and over declared groups that have rows enough; p-values corrected for their number
    (Holm)."""

    title: ClassVar[str] = "errors lean to one side at some levels"
    why: ClassVar[str] = (
        "What the columns mean differs from place to place, or group to group (concept shift, Dive into Deep Learning "
        "4.7), and one model for all is right on average alone: worse where test rows are mostly of one place."
    )
    next: ClassVar[str] = (
        "Give models the column, alone or times others, or fit one for each such level; where it is a group, validate "
        "by it (split grouped)."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        known = by_level(evidence)
        corrected = dict(zip(known, holm([one["p"] for one in known.values()]), strict=True))
        leaning = {
            name: one for name, one in known.items() if corrected[name] <= evidence.level and one["explained"] >= LEAST
        }
        if not leaning:
            return None
        worst = sorted(leaning, key=lambda name: (-leaning[name]["explained"], name))
        told = ", ".join(
            f"{name} explains {percent(leaning[name]['explained'], 0)} (most {leaning[name]['most']})" for name in worst
        )
        return Found(
            measured=f"Of the spread of the errors' ranks, {told}.",
            numbers={name: {key: leaning[name][key] for key in ("explained", "p")} for name in worst},
            about=tuple(worst),
        )
