"""POD503: ReLUs that give 0 whatever they are given."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import Case
from pipeline.diagnosis.watched import WARM_UP, Watched


@findings.register("POD503")
@settings
class DeadUnits(Watched):
    """Networks with a layer of which half of the ReLUs or more gave 0 for whole minibatches, at the end of training."""

    title: ClassVar[str] = "dead ReLUs"
    why: ClassVar[str] = (
        "A ReLU that gives 0 for every row has a gradient of 0 and never comes back: the network is as small as what "
        "is left of it (Dive into Deep Learning 5.1)."
    )
    fault: ClassVar[str] = "dead"
    next: ClassVar[str] = (
        f"A lower fit.learning_rate or a warm-up ({WARM_UP}), model.initialization: he, standardised inputs (scale: "
        "standard in the feature set); or model.activation: gelu or silu, which pass a gradient below 0 too."
    )

    def told(self, name: str, case: Case) -> str:
        return (
            f"In {name} {percent(case.number, 0)} of the units of {case.layer} give 0 for whole minibatches, from step "
            f"{case.step} on"
        )
