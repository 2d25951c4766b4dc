"""POD201: test rows can be told from training rows."""

from __future__ import annotations

from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent, span
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence
from pipeline.diagnosis.findings import findings

LEAST = 0.53
"""Area below which nothing is lost, however many rows prove it."""
ALONE = (
    "No column can be left out, since {column} is all that models read. See how the two files were gathered (another "
    "time, source or device), and make them alike (clean, columns.images, own_columns); where test rows come later or "
    "from other groups, split by time or group. fit.weights: density_ratio lets rows like the test rows count more, in "
    "fits and in scores."
)


@findings.register("POD201")
@settings
class CovariateShift(Finding):
    """Adversarial validation: a model's out-of-fold area under the ROC curve for telling which file a row is of,
    against the same on permuted labels."""

    title: ClassVar[str] = "test rows differ from training rows"
    why: ClassVar[str] = (
        "Validation rows are drawn from the training rows, so the score speaks of these. Where test rows are others "
        "(covariate shift, Dive into Deep Learning 4.7), it promises too much or too little."
    )
    next: ClassVar[str] = (
        "Take these columns out, or make them anew so that they mean the same in both files (a difference, a rank, a "
        "year's part), and see whether validation loses less than this is worth; where test rows come later or from "
        "other groups, split by time or group. Where the columns are needed as they are, fit.weights: density_ratio "
        "lets rows like the test rows count more, in fits and in scores."
    )
    by_chance: ClassVar[bool] = True

    def look(self, evidence: Evidence) -> Found | None:
        known = evidence.shift
        if known is None or known["p"] > evidence.level or known["auc"] < LEAST:
            return None
        low, high = known["chance"]
        behind = ", ".join(f"{name} {percent(part, 0)}" for name, part in known["columns"].items())
        alone = len(evidence.schema.columns) == 1
        return Found(
            measured=f"A model tells test rows from training rows with an AUC of {known['auc']:.3f}; chance gives "
            f"{span((low, high), '{:.3f}'.format)}." + ("" if alone else f" Columns behind it: {behind}."),
            next=ALONE.format(column=evidence.schema.columns[0].name) if alone else "",
            numbers={"auc": known["auc"], "p": known["p"], "chance": known["chance"]},
            interval=(low, high),
            about=tuple(known["columns"]),
        )
