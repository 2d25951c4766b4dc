"""POD509: attention that looks at one place alone."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Severity
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import Case
from pipeline.diagnosis.watched import WARM_UP, Watched


@findings.register("POD509")
@settings
class SharpAttention(Watched):
    """Networks with an attention whose weights have below a twentieth of the entropy of looking everywhere alike."""

    title: ClassVar[str] = "attention that is saturated"
    why: ClassVar[str] = (
        "A softmax that gives one place nearly everything has hardly any gradient: which place it is, is learned no "
        "more (Dive into Deep Learning 11.3)."
    )
    severity: ClassVar[Severity] = "note"
    fault: ClassVar[str] = "sharp"
    next: ClassVar[str] = (
        f"A lower fit.learning_rate with a warm-up ({WARM_UP}), fit.weight_decay, model.norm: before, model.dropout."
    )

    def told(self, name: str, case: Case) -> str:
        return f"{case.layer} in {name} has {percent(case.number)} of the largest entropy, from step {case.step} on"
