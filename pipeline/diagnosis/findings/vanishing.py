"""POD501: gradients that do not reach the first layers, or the first steps of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, Case, cases
from pipeline.diagnosis.watched import Watched, advised

SATURATED = "relu (model.activation) in place of sigmoid or tanh, which saturate"
DEPTH = (
    "an initialization that keeps variances (model.initialization: xavier for sigmoid and tanh, he for relu), "
    "model.normalization between layers, fewer layers, or ways around them (residual connections: resnet)"
)
STEPS = "a gated cell (model.cell: gru or lstm), or attention, where far steps matter"


@findings.register("POD501")
@settings
class VanishingGradients(Watched):
    """Networks in which, at most of the steps that were looked at, a layer's gradient is below a thousandth of the last
    layer's; or plain recurrent layers that hear less than that of eight steps before."""

    title: ClassVar[str] = "vanishing gradients"
    why: ClassVar[str] = (
        "A gradient is a product over all layers and steps that it passes; where its factors are small, the first of "
        "them hardly learn, whatever the loss says (Dive into Deep Learning 5.4, 9.7)."
    )
    fault: ClassVar[str] = "vanishing"
    next: ClassVar[str] = f"Through depth: {SATURATED}; {DEPTH}. Over the steps of a sequence: {STEPS}."

    def told(self, name: str, case: Case) -> str:
        if case.over == "depth":
            return (
                f"In {name} the gradient at {case.layer} is {case.number:.1e} of that at the last layer, from step "
                f"{case.step} on, in {percent(case.share, 0)} of the steps looked at"
            )
        return (
            f"In {name} what {case.layer} has at a step of the inputs {case.over} before is {case.number:.1e} of that "
            f"of its own, at step {case.step}"
        )

    def advice(self, evidence: Evidence, found: Mapping[str, Case]) -> str:
        through = {name for name, case in found.items() if case.over == "depth"}
        flat = through & {*cases(evidence, *LOOKS["saturated"])}
        return advised([*[SATURATED] * bool(flat), *[DEPTH] * bool(through), *[STEPS] * (len(through) < len(found))])
