"""POD101: a model that does not even fit its training rows."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.fitting import fits

STILL = 0.02
"""Part of a training loss that its last tenth of epochs took off, from which more of them would help."""


@findings.register("POD101")
@settings
class Underfits(Finding):
    """Models that score worse on the rows that they trained on than the best one on rows that it never saw, by more
    than a tenth of the best one's gain over the baseline."""

    title: ClassVar[str] = "underfits"
    why: ClassVar[str] = (
        "Its error on its own training rows is above what another model reaches on new ones: it is too simple for "
        "what there is to learn, or was stopped from learning it (Dive into Deep Learning 3.6)."
    )
    next: ClassVar[str] = (
        "More capacity (wider or deeper, more columns or products of them), less weight decay and dropout; or leave it "
        "to the other models."
    )

    def look(self, evidence: Evidence) -> Found | None:
        known = {name: one for name, one in fits(evidence).items() if one["verdict"] == "underfits"}
        if not known:
            return None
        best = evidence.ranked[0]
        told = ", ".join(f"{name} {one['train']:.5f}" for name, one in known.items())
        running = [name for name in known if _still_falls(evidence.models[name].curves)]
        more = (
            f"The training loss of {', '.join(running)} still falls at its last epoch: train for more epochs, or with "
            "a higher learning rate. "
            if running
            else ""
        )
        return Found(
            measured=f"On training rows {told}; {best.name} scores {best.scores['valid']:.5f} on new ones.",
            next=more + self.next,
            numbers={name: one["train"] for name, one in known.items()} | {"best": best.scores["valid"]},
            about=tuple(known),
        )


def _still_falls(curves: list[dict[str, list[float]]]) -> bool:
    """Whether the training loss of most folds has some way to go."""
    losses = [fold["train_loss"] for fold in curves if len(fold.get("train_loss", ())) >= 5]
    falls = [
        1 - loss[-1] / before > STILL
        for loss in losses
        if None not in loss and (before := loss[-1 - max(len(loss) // 10, 1)]) > 0
    ]
    return sum(falls) * 2 > len(falls)
