"""POD506: training that ended in no number."""

from __future__ import annotations

import re
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.watched import WARM_UP

ENDED = re.compile(r"the [\w ]+ became -?(?:nan|inf) in epoch (\d+)")
"""How ``training.loop.note`` says it."""


@findings.register("POD506")
@settings
class DivergedModels(Finding):
    """Models that were left out because their loss, gradient or score became NaN or infinite."""

    title: ClassVar[str] = "training diverged"
    why: ClassVar[str] = (
        "Once a weight is no finite number all answers are none either: the model has no predictions, and is no part "
        "of the blend (Dive into Deep Learning 5.4)."
    )
    next: ClassVar[str] = (
        f"A lower fit.learning_rate with a warm-up ({WARM_UP}), fit.gradient_clip (1 to begin with), an initialization "
        "that keeps variances (model.initialization: xavier or he), standardised inputs (scale: standard in the "
        "feature set) and targets (task.target: standardise)."
    )

    def look(self, evidence: Evidence) -> Found | None:
        found = {name: why for name, why in evidence.left_out.items() if ENDED.search(why)}
        if not found:
            return None
        return Found(
            measured=" ".join(f"{name}: {why}." for name, why in found.items()),
            numbers={name: int(ENDED.search(why)[1]) for name, why in found.items()},  # type: ignore[index]
            about=tuple(found),
        )
