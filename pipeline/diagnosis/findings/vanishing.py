"""POD501: gradients that do not reach the first layers, or the first steps of a sequence."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, cases


@findings.register("POD501")
@settings
class VanishingGradients(Finding):
    """Networks in which, at most of the steps that were looked at, a layer's gradient is below a thousandth of the last
    layer's; or plain recurrent layers that hear less than that of eight steps before."""

    title: ClassVar[str] = "vanishing gradients"
    why: ClassVar[str] = (
        "A gradient is a product over all layers and steps that it passes; where its factors are small, the first of "
        "them hardly learn, whatever the loss says (Dive into Deep Learning 5.4, 9.7)."
    )

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS["vanishing"])
        if not found:
            return None
        flat = {*found} & {*cases(evidence, *LOOKS["saturated"])}
        through = [name for name, case in found.items() if case.over == "depth"]
        told = [
            f"In {name} the gradient at {case.layer} is {case.number:.1e} of that at the last layer, from step "
            f"{case.step} on, in {case.share:.0%} of the steps looked at"
            if case.over == "depth"
            else f"In {name} what {case.layer} has at a step of the inputs {case.over} before is {case.number:.1e} of "
            f"that of its own, at step {case.step}"
            for name, case in found.items()
        ]
        advice = []
        if flat & {*through}:
            advice.append("Relu in place of sigmoid or tanh, which are saturated here")
        if through:
            advice.append(
                "an initialization that keeps variances (xavier for sigmoid and tanh, he for relu), normalization "
                "between layers, fewer layers, or ways around them (residual connections)"
            )
        if len(through) < len(found):
            advice.append("a gated cell (gru or lstm), or attention, where far steps matter")
        text = "; ".join(advice)
        return Found(
            measured=". ".join(told) + ".",
            next=f"{text[0].upper()}{text[1:]}.",
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )
