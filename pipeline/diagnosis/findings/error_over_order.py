"""POD206: errors that grow, or lean to one side, along the rows or over time."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.order import by_order, losses, trend

LEAST = 0.1
"""Correlation below which it is nothing, however many rows prove it."""
OF_TEXTS = (
    "Texts of one kind stand together in the file: validate on texts like those to come (a file valid.*, or the split "
    "holdout with rows: last where these follow, part where they do not)."
)


@findings.register("POD206")
@settings
class ErrorOverOrder(Finding):
    """Spearman's correlation of each row's loss, and of its signed error, with the row's place or time."""

    title: ClassVar[str] = "errors change along the rows"
    why: ClassVar[str] = (
        "Where the same columns mean something else later on (concept shift, Dive into Deep Learning 4.7), a mean over "
        "all rows is better than what the last ones, and the test's, will see."
    )
    next: ClassVar[str] = (
        "Give models what changes (a date, a year, a season) or let recent rows weigh more (columns.weight); where "
        "test rows come later, validate on the latest ones (split time_ordered)."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        if (known := losses(evidence)) is None:
            return None
        rows = evidence.answered.rows
        name, place = by_order(evidence, rows)
        of_loss = trend(known[0], place)
        of_sign = trend(known[1], place) if known[1] is not None else {"rho": 0.0, "p": 1.0}
        tests = 1 if known[1] is None else 2
        told = []
        for what, one in (("the size of the error", of_loss), ("the signed error", of_sign)):
            if one["p"] * tests <= evidence.level and abs(one["rho"]) >= LEAST:
                told.append(f"{what} goes with {name} (rank correlation {one['rho']:+.2f}, p {one['p']:.1g})")
        if not told:
            return None
        return Found(
            measured=f"{'; '.join(told)[0].upper()}{'; '.join(told)[1:]}.",
            next=OF_TEXTS if evidence.kind == "count" else "",
            numbers={"loss": of_loss["rho"], "signed": of_sign["rho"], "p": min(of_loss["p"], of_sign["p"])},
        )
