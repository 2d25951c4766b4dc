"""POD503: ReLUs that give 0 whatever they are given."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, cases


@findings.register("POD503")
@settings
class DeadUnits(Finding):
    """Networks with a layer of which half of the ReLUs or more gave 0 for whole minibatches, at the end of training."""

    title: ClassVar[str] = "dead ReLUs"
    why: ClassVar[str] = (
        "A ReLU that gives 0 for every row has a gradient of 0 and never comes back: the network is as small as what "
        "is left of it (Dive into Deep Learning 5.1)."
    )

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS["dead"])
        if not found:
            return None
        told = [
            f"In {name} {case.number:.0%} of the units of {case.layer} give 0 for whole minibatches, from step "
            f"{case.step} on"
            for name, case in found.items()
        ]
        return Found(
            measured=". ".join(told) + ".",
            next=(
                "A lower fit.learning_rate or a warm-up, the initialization he with biases of 0, inputs that are "
                "standardised; or an activation without a flat side that is as long (gelu, silu)."
            ),
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )
