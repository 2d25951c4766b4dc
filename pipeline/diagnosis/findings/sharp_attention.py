"""POD509: attention that looks at one place alone."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, cases


@findings.register("POD509")
@settings
class SharpAttention(Finding):
    """Networks with an attention whose weights have below a twentieth of the entropy of looking everywhere alike."""

    title: ClassVar[str] = "attention that is saturated"
    why: ClassVar[str] = (
        "A softmax that gives one place nearly everything has hardly any gradient: which place it is, is learned no "
        "more (Dive into Deep Learning 11.3)."
    )
    severity: ClassVar[Severity] = "note"

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS["sharp"])
        if not found:
            return None
        told = [
            f"{case.layer} in {name} has {case.number:.1%} of the largest entropy, from step {case.step} on"
            for name, case in found.items()
        ]
        return Found(
            measured=". ".join(told) + ".",
            next="A lower fit.learning_rate with a warm-up, weight decay, normalization before the attention, dropout.",
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )
