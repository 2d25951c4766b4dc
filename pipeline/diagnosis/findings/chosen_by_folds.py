"""POD402: scores that are better than those of new rows, since the folds chose something."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.optimism import optimism

LEAST = 0.05
"""Part of the model's gain over the baseline that an optimism must be, to be told."""
WORDS = {"early_stopping": "its best epoch", "search": "its best trial"}


@findings.register("POD402")
@settings
class ChosenByFolds(Finding):
    """The winner's curse of searches (bootstrap bias corrected, Tsamardinos et al. 2018) and of early stopping (each
    fold's own best epoch against the one that the others choose)."""

    title: ClassVar[str] = "scores flatter what was chosen by them"
    why: ClassVar[str] = (
        "The best of many tries is best partly by luck, and luck does not come along to new rows (Cawley and Talbot "
        "2010)."
    )
    next: ClassVar[str] = (
        "Compare such models by the score less this, or by folds of another seed; fewer trials, or a split with more "
        "rows to validate, choose more truly."
    )
    severity: ClassVar[Severity] = "note"

    def look(self, evidence: Evidence) -> Found | None:
        known, constant = optimism(evidence), evidence.baseline
        if constant is None:
            return None
        parts, numbers, first = [], {}, None
        for kind, what in WORDS.items():
            for name, one in known[kind].items():
                gain = evidence.sign * (evidence.models[name].scores["valid"] - constant["valid"])
                if gain > 0 and one["optimism"] > LEAST * gain:
                    parts.append(f"choosing {what} by these folds flatters {name} by about {one['optimism']:.5f}")
                    numbers[f"{name}.{kind}"] = one["optimism"]
                    first = first or one["interval"]
        if not parts:
            return None
        return Found(
            measured=f"{'; '.join(parts)[0].upper()}{'; '.join(parts)[1:]}.",
            numbers=numbers,
            interval=None if first is None else (first[0], first[1]),
            about=tuple(numbers),
        )
