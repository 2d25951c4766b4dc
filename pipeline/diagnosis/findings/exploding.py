"""POD502: gradients or outputs that grow from layer to layer, or from step to step of a sequence."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import LOOKS, cases


@findings.register("POD502")
@settings
class ExplodingGradients(Finding):
    """Networks in which, at most of the steps that were looked at, a layer's gradient is above a thousand times that of
    the last layer, its output above a thousand times the first one's, or a recurrent layer's grows so over steps."""

    title: ClassVar[str] = "exploding gradients"
    why: ClassVar[str] = (
        "A gradient is a product over all layers and steps that it passes; where its factors are large, one step may "
        "undo all that was learned, or end in no number at all (Dive into Deep Learning 5.4, 9.5)."
    )

    def look(self, evidence: Evidence) -> Found | None:
        found = cases(evidence, *LOOKS["exploding"])
        if not found:
            return None
        told = [
            f"In {name} gradients or outputs grow {case.number:.1e} times at {case.layer} "
            f"({'through depth' if case.over == 'depth' else f'over up to {case.over}'}), from step {case.step} on, in "
            f"{case.share:.0%} of the steps looked at"
            for name, case in found.items()
        ]
        deep = any(case.over == "depth" for case in found.values())
        unclipped = [name for name in found if not evidence.models[name].clips]
        advice = []
        if unclipped:
            advice.append(f"set fit.gradient_clip (1 to begin with) for {', '.join(unclipped)}")
        if deep:
            advice.append("an initialization that keeps variances (xavier or he), normalization between layers")
        else:
            advice.append("shorter windows, smaller recurrent weights, or a gated cell (gru or lstm)")
        advice.append("a lower fit.learning_rate")
        text = "; ".join(advice)
        return Found(
            measured=". ".join(told) + ".",
            next=f"{text[0].upper()}{text[1:]}.",
            numbers={name: case.number for name, case in found.items()},
            about=tuple(found),
        )
