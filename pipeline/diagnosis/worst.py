"""The rows that the blend's out-of-fold predictions are most wrong about, with what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.diagnosis.slices import number, row_losses

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence

ROWS, COLUMNS, TEXT = 8, 6, 400
"""Rows and columns told, and characters of a text."""


def worst(evidence: Evidence, important: Sequence[str] = ()) -> dict[str, Any] | None:
    """``columns``: raw columns that are shown, the important ones first. ``rows``, the worst first: ``row`` (the id, or
    else the position in the training file), ``truth``, ``said`` and its ``values`` [columns]. ``best``: of texts, the
    best ones alike. None of targets whose rows have no loss of their own."""
    import numpy as np

    losses = row_losses(evidence)
    if losses is None:
        return None
    names = _columns(evidence, important)
    if not names:  # images, which a picture shows
        return None
    order = np.argsort(-losses, kind="stable")[:ROWS].tolist()
    found = {"columns": names, "rows": [_told(evidence, place, names) for place in order]}
    if evidence.kind == "text":
        best = np.argsort(losses, kind="stable")[: ROWS // 2].tolist()
        found["best"] = [_told(evidence, place, names) for place in best]
    return found


def _columns(evidence: Evidence, important: Sequence[str]) -> list[str]:
    """Texts always; of the others the important ones, or the first."""
    schema = evidence.schema
    texts = schema.names("text")
    others = [name for name in schema.names("number", "category") if name not in texts]
    ranked = [name for name in important if name in others] or others
    return [*texts, *ranked[: max(COLUMNS - len(texts), 0)]]


def _told(evidence: Evidence, place: int, names: Sequence[str]) -> dict[str, Any]:
    answered = evidence.answered
    row = int(answered.rows[place])
    whole = evidence.train.iloc[row]
    name = evidence.schema.id
    identity = whole[name] if name is not None and name in evidence.train else f"row {row + 1}"
    return {
        "row": shown(identity),
        "truth": shown(answered.target.iloc[place])
        + (f" {evidence.schema.target}" if evidence.kind == "count" else ""),
        "said": _said(answered.predictions.iloc[place], evidence.kind, answered.target.iloc[place]),
        "values": [shown(whole[name]) for name in names],
    }


def _said(prediction: pd.Series, kind: str, truth: Any) -> str:
    if kind == "count":
        return f"{float(prediction['prediction']) / max(float(truth), 1.0):.2f} nats each"
    if kind != "class":
        return shown(prediction["prediction"])
    values = prediction.astype(float)
    return f"{values.idxmax()} ({values.max():.0%})"


def shown(value: Any) -> str:
    """A cell in words: numbers of six digits, long texts cut."""
    if value is None or value != value:
        return "missing"
    if isinstance(value, float):
        return number(value)
    text = " ".join(str(value).split())
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"
