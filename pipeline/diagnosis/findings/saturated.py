"""POD504: sigmoids and tanh on their flat ends."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import Case
from pipeline.diagnosis.watched import Watched


@findings.register("POD504")
@settings
class Saturated(Watched):
    """Networks with a layer of sigmoids or tanh of whose values three quarters or more lie where the slope is below a
    twentieth of the steepest, at the end of training."""

    title: ClassVar[str] = "saturated activations"
    why: ClassVar[str] = (
        "On the flat ends of a sigmoid or tanh hardly any gradient passes: what lies below it learns slowly or not at "
        "all (Dive into Deep Learning 5.1, 5.4)."
    )
    fault: ClassVar[str] = "saturated"
    next: ClassVar[str] = (
        "Smaller initial weights (model.initialization: xavier), standardised inputs (scale: standard in the feature "
        "set), model.normalization before the activation, fit.weight_decay, a lower fit.learning_rate; or "
        "model.activation: relu."
    )

    def told(self, name: str, case: Case) -> str:
        share = percent(case.number, 0)
        return f"In {name} {share} of the values of {case.layer} are saturated, from step {case.step} on"
