"""POD302: where a row stands tells its target."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.order import neighbours, trend

LEAST = 0.1
"""Correlation below which it is nothing, however many rows prove it."""


@findings.register("POD302")
@settings
class OrderPredicts(Finding):
    """The target's rank correlation with the row's place and with a numeric id, and that of neighbouring rows; of
    classes by their order."""

    title: ClassVar[str] = "the order of rows, or the id, tells the target"
    why: ClassVar[str] = (
        "Rows that were sorted, or numbered after the outcome was known, give the target away to whatever sees their "
        "place; and neighbours that are alike make folds of shuffled rows too easy."
    )
    next: ClassVar[str] = (
        "Find out how the file was made. Rows of one time or thing side by side: split by time, group, or contiguous "
        "blocks. Never make a feature of the place or the id."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        import numpy as np
        import pandas as pd

        if evidence.kind not in ("number", "class") or evidence.competition.columns.time is not None:
            return None
        rows = evidence.own_train
        target = evidence.schema.target_of(rows)
        if evidence.kind == "class":
            classes = [str(one) for one in evidence.schema.classes]
            values = pd.Categorical(target.astype(str), classes).codes.astype(float)
        else:
            values = target.to_numpy(dtype=float)
        known = {
            "the row's place": trend(values, np.arange(len(values), dtype=float)),
            "the row before it": neighbours(values),
        }
        name = evidence.schema.id
        if name is not None and name in rows:
            ids = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype=float)
            if np.isfinite(ids).all() and not (np.diff(ids) > 0).all():
                known[f"the id '{name}'"] = trend(values, ids)
        telling = {
            what: one
            for what, one in known.items()
            if one["p"] * len(known) <= evidence.level and abs(one["rho"]) >= LEAST
        }
        if not telling:
            return None
        told = ", ".join(f"{what} (rank correlation {one['rho']:+.2f})" for what, one in telling.items())
        return Found(
            measured=f"The target '{evidence.schema.target}' goes with {told}.",
            numbers={what: one["rho"] for what, one in telling.items()},
        )
