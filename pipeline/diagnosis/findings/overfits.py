"""POD102: a model that learned its training rows by heart."""

from __future__ import annotations

from math import floor
from statistics import fmean
from typing import ClassVar

from pipeline.core.registry import settings
from pipeline.core.shares import percent
from pipeline.diagnosis.base import Finding, Found
from pipeline.diagnosis.evidence import Evidence, ModelEvidence
from pipeline.diagnosis.findings import findings
from pipeline.diagnosis.fitting import fits

NUMBERS = ("gap", "train", "valid", "lost", "new", "parameters", "rows", "rows_a_parameter")


@findings.register("POD102")
@settings
class Overfits(Finding):
    """Models whose error on new rows is in every fold at least two and a half times that on the fold's own training
    rows; and models of which more than half of what they learned beyond the baseline does not carry over to new rows,
    the gap's interval over folds being above 0. A note where no other model scores better. The numbers: both scores,
    their gap, the parts of it, and the rows that a fold trains on beside the parameters that a network has."""

    title: ClassVar[str] = "overfits"
    why: ClassVar[str] = (
        "It learned what is peculiar to its training rows: new rows score much worse, and its own training error says "
        "nothing of how it will do (Dive into Deep Learning 3.6)."
    )
    next: ClassVar[str] = (
        "More rows if there are any; weight decay or dropout; a smaller model (fewer units, shallower trees, more "
        "rows in a leaf); early stopping."
    )

    def look(self, evidence: Evidence) -> Found | None:
        known = {name: one for name, one in fits(evidence).items() if one["verdict"] == "overfits"}
        if not known:
            return None
        parts = []
        for name, one in known.items():
            model = evidence.models[name]
            larger = "" if one["parameters"] is None else f", {one['parameters']:,} parameters for {one['rows']:,} rows"
            parts.append(
                f"{name}: {one['train']:.5f} on training rows, {one['valid']:.5f} on new ones ("
                f"{percent(one['lost'], 0)} of its gain over the baseline lost{_times(one['new'])}{larger}"
                f"{_best_epoch(model)})"
            )
        first = next(iter(known.values()))
        best = evidence.ranked[0].name
        return Found(
            measured="; ".join(parts) + ".",
            numbers={name: {key: one[key] for key in NUMBERS} for name, one in known.items()},
            interval=None if first["interval"] is None else (first["interval"][0], first["interval"][1]),
            about=tuple(known),
            severity="note" if list(known) == [best] else None,
        )


def _times(new: float | None) -> str:
    """How many times the error on training rows that on new ones is, where it is more in every fold."""
    if new is None or new <= 0:
        return ""
    if new == 1:
        return ", no error on training rows"
    return f", in every fold at least {floor(10 / (1 - new)) / 10:g} times the error on training rows"


def _best_epoch(model: ModelEvidence) -> str:
    """Where the validation loss was lowest, if that was well before the end."""
    curves = [fold["valid_loss"] for fold in model.curves if len(fold.get("valid_loss", ())) >= 5]
    if not curves or any(value is None for curve in curves for value in curve):
        return ""
    best = fmean(curve.index(min(curve)) + 1 for curve in curves)
    length = fmean(map(len, curves))
    return f"; its validation loss was lowest at epoch {best:.0f} of {length:.0f}" if best < 0.8 * length else ""
