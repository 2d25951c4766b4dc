"""POD507: units that began with the same weights, and learn the same."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, cases


@findings.register("POD507")
@settings
class UnitsAlike(Finding):
    """Networks with a layer of which less than half of the units differ in their weights, at the last step seen."""

    title: ClassVar[str] = "units that are alike"
    why: ClassVar[str] = (
        "Units with the same weights have the same gradients, and stay one unit for ever: the network can do no more "
        "than one of that width (Dive into Deep Learning 5.4)."
    )

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS["alike"])
        if not found:
            return None
        told = [
            f"In {name} {case.over} of {case.layer} are {case.number:.0f} that differ, at step {case.step}"
            for name, case in found.items()
        ]
        return Found(
            measured=". ".join(told) + ".",
            next="Random initial weights: xavier, he, or uniform.",
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )
