"""POD505: a training loss that jumps back up."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.gradients import MOST, spikes
from pipeline.diagnosis.watched import WARM_UP

CALMER = f"lower fit.learning_rate, a schedule that warms up and falls ({WARM_UP}), or a larger fit.batch_size"


@findings.register("POD505")
@settings
class LossSpikes(Finding):
    """Models whose training loss, in half of the folds or more, once gave back more than half of what it had fallen."""

    title: ClassVar[str] = "loss spikes"
    why: ClassVar[str] = (
        "A loss that jumps up has been thrown out of where it was going by steps that are too long for its slope there "
        "(Dive into Deep Learning 12.3, 12.11)."
    )
    next: ClassVar[str] = f"Set fit.gradient_clip (1 to begin with); a {CALMER}."

    def look(self, evidence: Evidence) -> Found | None:
        found = {}
        for name, model in evidence.models.items():
            own = spikes(model)
            if own and len(own) >= MOST * len(model.curves):
                fold = max(own, key=lambda k: own[k]["after"] - own[k]["before"])
                found[name] = (fold, own[fold])
        if not found:
            return None
        told = [
            f"The training loss of {name} went from {one['before']:.4g} to {one['after']:.4g} in fold {fold}, "
            + (f"step {one['step']}" if "step" in one else f"epoch {one['epoch']}")
            for name, (fold, one) in found.items()
        ]
        unclipped = [name for name in found if not evidence.models[name].clips]
        clip = f"Set fit.gradient_clip (1 to begin with) for {', '.join(unclipped)}; a" if unclipped else "A"
        return Found(
            measured=". ".join(told) + ".",
            next=f"{clip} {CALMER}.",
            numbers={name: one["after"] - one["before"] for name, (_, one) in found.items()},
            about=tuple(found),
        )
