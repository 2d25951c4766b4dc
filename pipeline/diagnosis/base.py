"""What a finding is: a question asked of a competition's stored files, and what was found."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from pipeline.diagnosis.evidence import Evidence

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")
"""Serious: the scores cannot be trusted. Warning: they are worse, or less sure, than need be. Note: to be known."""

RATE = 0.05
"""How often a competition without any fault may be told of one by chance, all findings together."""


@dataclass(frozen=True)
class Found:
    """What a finding found. Plain data.

    measured: sentences with the numbers in words. numbers: by name, what was measured, as a test computes it anew.
    interval: of the first number, 95 %, or None. about: models or columns. next: what to do, where it
    says more than the finding does.
    """

    measured: str
    next: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    about: tuple[str, ...] = ()
    severity: Severity | None = None
    """Where it is another than the finding's own."""


class Finding(ABC):
    """A question (shelf ``findings``); its name is its code. Kind-blind: it sees files that stages wrote."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What is the matter, in a few words."""
    why: ClassVar[str]
    """Why it matters, in a sentence or two."""
    next: ClassVar[str] = ""
    """What to do, in a sentence or two; NAME stands for the model or column that it is about."""
    severity: ClassVar[Severity] = "warning"
    by_chance: ClassVar[bool] = False
    """Whether it tests for chance, and so shares in ``RATE``: each such finding is told where chance alone would show
    it in less than its part of these."""

    @abstractmethod
    def look(self, evidence: Evidence) -> Found | None:
        """What is the matter, None where nothing is or nobody can tell."""


def told(finding: Finding, found: Found, shorter: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A finding as ``report.json`` has it. shorter: what sentences call a model, by its name."""
    body = {key: value for key, value in asdict(found).items() if key != "severity"}
    return {
        "code": finding.name,
        "severity": found.severity or finding.severity,
        "title": finding.title,
        **body,
        "measured": _with_names(found.measured, shorter or {}),
        "next": found.next or finding.next,
        "about": list(found.about),
        "interval": None if found.interval is None else list(found.interval),
        "why": finding.why,
    }


def _with_names(sentence: str, shorter: Mapping[str, str]) -> str:
    """Whole names only: a level or a column may hold one, or its beginning, within its own."""
    if not shorter:
        return sentence
    names = "|".join(map(re.escape, sorted(shorter, key=len, reverse=True)))
    return re.sub(rf"(?<![\w-])(?:{names})(?![\w-])", lambda one: shorter[one[0]], sentence)
