"""POD401: a best model that is best by chance, for all that folds can tell."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import p_value
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.comparison import compared
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings


@findings.register("POD401")
@settings
class NoClearWinner(Finding):
    """Corrected resampled t-tests of the best model against each other one on the same folds (Nadeau and Bengio
    2003), the p-values corrected for their number (Holm)."""

    title: ClassVar[str] = "no clear winner"
    why: ClassVar[str] = (
        "Folds train on much the same rows, so a small lead on them is luck as often as not: to choose by it is to "
        "throw a coin."
    )
    next: ClassVar[str] = (
        "Take the simplest or cheapest of these, or blend them; for a surer answer more folds, or those of several "
        "shuffles."
    )
    severity: ClassVar[Severity] = "note"

    def look(self, evidence: Evidence) -> Found | None:
        known = compared(evidence)
        tied = {name: known["others"][name] for name in known["tied"]}
        if not tied:
            return None
        unknown = [name for name, one in tied.items() if one["interval"] is None and one["gain"]]
        told = ", ".join(
            f"{name} by {one['gain']:.5f}{'' if name in unknown else ' (' + p_value(one['corrected']) + ')'}"
            for name, one in tied.items()
        )
        lead = "of one fold with too few rows to tell what" if unknown else "but by no more than"
        first = next(iter(tied.values()))["interval"]
        return Found(
            measured=f"{known['best']} scores best, {lead} chance gives: better than {told}.",
            numbers={name: one["gain"] for name, one in tied.items()},
            interval=None if first is None else (first[0], first[1]),
            about=(known["best"], *tied),
        )
