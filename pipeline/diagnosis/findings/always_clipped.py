"""POD508: a bound on the gradient's norm that nearly every gradient exceeds."""

from __future__ import annotations

from statistics import fmean
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

NEARLY_ALL = 0.95
"""Share of all steps."""


@findings.register("POD508")
@settings
class AlwaysClipped(Finding):
    """Networks of which nearly every step's gradient was shortened to ``fit.gradient_clip``."""

    title: ClassVar[str] = "gradients clipped at nearly every step"
    why: ClassVar[str] = (
        "A bound is for the rare gradient that explodes. One that is always reached sets the length of every step, and "
        "the learning rate and its schedule mean something else (Dive into Deep Learning 9.5)."
    )
    severity: ClassVar[Severity] = "note"
    next: ClassVar[str] = (
        "Set fit.gradient_clip somewhat above the usual norm; or null, with a lower fit.learning_rate."
    )

    def look(self, evidence: Evidence) -> Found | None:
        shares = {
            name: fmean(fmean(fold["clipped"]) for fold in model.curves)
            for name, model in evidence.models.items()
            if model.curves and all(fold.get("clipped") for fold in model.curves)
        }
        found = {name: share for name, share in shares.items() if share > NEARLY_ALL}
        if not found:
            return None
        norms = {name: fmean(fmean(fold["gradient_norm"]) for fold in evidence.models[name].curves) for name in found}
        return Found(
            measured=" ".join(
                f"{percent(share)} of the steps of {name} were clipped; its gradient's mean norm is {norms[name]:.3g}."
                for name, share in found.items()
            ),
            numbers=found,
            about=tuple(found),
        )
