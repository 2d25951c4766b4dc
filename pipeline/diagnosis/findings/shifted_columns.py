"""POD202: single columns that are distributed otherwise in the test file."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.chance import holm
from pipeline.diagnosis.columns import distributions
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEAST = 0.05
"""Population stability index below which a difference is nothing, however many rows prove it."""


@findings.register("POD202")
@settings
class ShiftedColumns(Finding):
    """Kolmogorov-Smirnov or chi-square test of each column, the p-values corrected for their number (Holm)."""

    title: ClassVar[str] = "columns are distributed otherwise in the test file"
    why: ClassVar[str] = (
        "What models learned of these values they learned on other ones: where they are rare in the training rows, "
        "answers are guesses (covariate shift, Dive into Deep Learning 4.7)."
    )
    next: ClassVar[str] = (
        "Look at these columns in both files: another unit, another way of recording, another time. Mend what is "
        "recorded otherwise; leave out a column that models do well without. What really is more frequent in the test "
        "file can count more: fit.weights: density_ratio."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        known = distributions(evidence)
        corrected = dict(zip(known, holm([one["p"] for one in known.values()]), strict=True))
        moved = {name: one for name, one in known.items() if corrected[name] <= evidence.level and one["psi"] >= LEAST}
        if not moved:
            return None
        worst = sorted(moved, key=lambda name: (-moved[name]["psi"], name))
        told = ", ".join(f"{name} {moved[name]['psi']:.2f}" for name in worst[:5])
        more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
        return Found(
            measured=f"Population stability index (0.1 is small, 0.25 large): {told}{more}, of {len(known)} columns.",
            numbers={name: {**moved[name], "corrected": float(corrected[name])} for name in worst},
            about=tuple(worst),
        )
