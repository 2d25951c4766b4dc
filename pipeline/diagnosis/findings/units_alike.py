"""POD507: units that began with the same weights, and learn the same."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import Case
from pipeline.diagnosis.watched import Watched


@findings.register("POD507")
@settings
class UnitsAlike(Watched):
    """Networks with a layer of which less than half of the units differ in their weights, at the last step seen."""

    title: ClassVar[str] = "units that are alike"
    why: ClassVar[str] = (
        "Units with the same weights have the same gradients, and stay one unit for ever: the network can do no more "
        "than one of that width (Dive into Deep Learning 5.4)."
    )
    fault: ClassVar[str] = "alike"
    next: ClassVar[str] = "Random initial weights: model.initialization: xavier, he or uniform."

    def told(self, name: str, case: Case) -> str:
        return f"In {name} {case.over} of {case.layer} are {case.number:.0f} that differ, at step {case.step}"
