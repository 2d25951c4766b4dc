"""POD504: sigmoids and tanh on their flat ends."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, cases


@findings.register("POD504")
@settings
class Saturated(Finding):
    """Networks with a layer of sigmoids or tanh of whose values three quarters or more lie where the slope is below a
    twentieth of the steepest, at the end of training."""

    title: ClassVar[str] = "saturated activations"
    why: ClassVar[str] = (
        "On the flat ends of a sigmoid or tanh hardly any gradient passes: what lies below it learns slowly or not at "
        "all (Dive into Deep Learning 5.1, 5.4)."
    )

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS["saturated"])
        if not found:
            return None
        told = [
            f"In {name} {case.number:.0%} of the values of {case.layer} are saturated, from step {case.step} on"
            for name, case in found.items()
        ]
        return Found(
            measured=". ".join(told) + ".",
            next=(
                "Smaller initial weights (xavier), inputs that are standardised, normalization before the activation, "
                "weight decay, a lower fit.learning_rate; or relu and its kin."
            ),
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )
