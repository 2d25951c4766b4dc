"""POD307: a score that is too good to be true."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found, Severity
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEFT = 0.005
"""Part of a constant answer's error that hardly any honest model gets below."""
LEFT_OF_IMAGES = 0.001
"""The same where there are images, in which all may be there to see: of MNIST's digits 0.4 % is honestly left."""


@findings.register("POD307")
@settings
class TooGood(Finding):
    """Models that out of fold make at most 1 mistake where a constant answer makes 200, or leave that part of the
    variance; where there are images, 1 mistake of 1,000."""

    title: ClassVar[str] = "too good to be true"
    why: ClassVar[str] = "Real data is rarely so kind: as a rule something tells the target that later is not there."
    next: ClassVar[str] = (
        "Look at the first columns of its importance, and at what other findings say of them; leave them out, and see "
        "whether the score falls to what is sensible."
    )
    severity: ClassVar[Severity] = "serious"

    def look(self, evidence: Evidence) -> Found | None:
        if evidence.kind not in ("number", "class") or len(evidence.train) < 50:
            return None
        left = {name: _left_over(evidence, name) for name in evidence.models}
        images = any(column.kind == "image" for column in evidence.schema.columns)
        left = {name: one for name, one in left.items() if one <= (LEFT_OF_IMAGES if images else LEFT)}
        if not left:
            return None
        what = "mistakes" if evidence.kind == "class" else "squared error"
        told = ", ".join(f"{name} {percent(one, 2)}" for name, one in left.items())
        return Found(
            measured=f"Out of fold, of the {what} that a constant answer makes there is left: {told}.",
            numbers=left,
            about=tuple(left),
        )


def _left_over(evidence: Evidence, name: str) -> float:
    import numpy as np

    model = evidence.models[name]
    target = evidence.target.iloc[model.rows]
    if evidence.kind == "number":
        truth = target.to_numpy(dtype=float)
        told = model.predictions["prediction"].to_numpy(dtype=float)
        spread = float(np.square(truth - truth.mean()).mean())
        return float(np.square(truth - told).mean()) / spread if spread else 1.0
    truth = target.astype(str).to_numpy()
    told = np.array([str(one) for one in model.predictions])[model.predictions.to_numpy().argmax(axis=1)]
    constant = 1 - float(target.astype(str).value_counts(normalize=True).max())
    return float((told != truth).mean()) / constant if constant else 1.0
