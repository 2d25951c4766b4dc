"""POD502: gradients or outputs that grow from layer to layer, or from step to step of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import Case
from pipeline.diagnosis.watched import Watched, advised

CLIP = "set fit.gradient_clip (1 to begin with)"
DEPTH = (
    "an initialization that keeps variances (model.initialization: xavier or he), model.normalization between layers"
)
STEPS = "shorter windows (steps of fit.sampling), smaller recurrent weights, or a gated cell (model.cell: gru or lstm)"
RATE = "a lower fit.learning_rate"


@findings.register("POD502")
@settings
class ExplodingGradients(Watched):
    """Networks in which, at most of the steps that were looked at, a layer's gradient is above a thousand times that of
    the last layer, its output above a thousand times the first one's, or a recurrent layer's grows so over steps."""

    title: ClassVar[str] = "exploding gradients"
    why: ClassVar[str] = (
        "A gradient is a product over all layers and steps that it passes; where its factors are large, one step may "
        "undo all that was learned, or end in no number at all (Dive into Deep Learning 5.4, 9.5)."
    )
    fault: ClassVar[str] = "exploding"
    next: ClassVar[str] = f"{CLIP.capitalize()}; {DEPTH}; over the steps of a sequence {STEPS}; {RATE}."

    def told(self, name: str, case: Case) -> str:
        over = "through depth" if case.over == "depth" else f"over up to {case.over}"
        return (
            f"In {name} gradients or outputs grow {case.number:.1e} times at {case.layer} ({over}), from step "
            f"{case.step} on, in {percent(case.share, 0)} of the steps looked at"
        )

    def advice(self, evidence: Evidence, found: Mapping[str, Case]) -> str:
        deep = any(case.over == "depth" for case in found.values())
        unclipped = [name for name in found if not evidence.models[name].clips]
        clip = [f"{CLIP} for {', '.join(unclipped)}"] if unclipped else []
        return advised([*clip, DEPTH if deep else STEPS, RATE])
