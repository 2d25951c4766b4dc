"""Where the blend errs more, or less, than elsewhere: rows by bins of a number, levels, lengths of texts, time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.diagnosis.chance import holm
from pipeline.diagnosis.order import losses

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence

BINS, LEAST, MOST_LEVELS = 5, 20, 50
"""Bins of a number, rows of a slice at least, levels of a column at most: of more none is asked about."""
SHOWN = 12
SURE = 0.05
ALIKE = 0.8
"""Part of all rows of two slices that both hold, from which only one of them is told."""


def slices(evidence: Evidence) -> dict[str, Any]:
    """``asked``: how many slices there are. ``found``: those whose losses differ from all others' beyond chance (rank
    sum test, Holm's correction over all asked), the widest apart first: ``column``, ``slice``, ``rows``, the metric
    ``inside`` and ``outside``, and ``p``."""
    import numpy as np
    from scipy.stats import norm, rankdata

    own = row_losses(evidence)
    if own is None or len(own) < 2 * LEAST:
        return {"asked": 0, "found": []}
    rows = len(own)
    ranks = rankdata(own)
    every = [(column, told, mask) for column, told, mask in _slices(evidence) if LEAST <= mask.sum() <= rows - LEAST]
    if not every:
        return {"asked": 0, "found": []}
    inside = np.array([mask.sum() for _, _, mask in every], dtype=float)
    means = np.array([ranks[mask].mean() for _, _, mask in every])
    # Of the mean rank of so many rows drawn by lot, ties taken into account.
    spread = np.sqrt(ranks.var(ddof=1) / inside * (1 - inside / rows))
    far = (means - (rows + 1) / 2) / np.maximum(spread, 1e-12)
    p_values = holm(2 * norm.sf(np.abs(far)))
    order = sorted(np.flatnonzero(p_values < SURE).tolist(), key=lambda i: (-abs(means[i] - rows / 2), i))
    found: list[dict[str, Any]] = []
    masks: list[np.ndarray] = []
    for i in order:
        column, told, mask = every[i]
        if any((mask & other).sum() > ALIKE * (mask | other).sum() for other in masks):
            continue
        scored = _scored(evidence, mask)
        if scored is None or evidence.sign * (scored[1] - scored[0]) * far[i] <= 0:
            continue  # a few large errors outside may say otherwise than most rows do
        masks.append(mask)
        found.append(
            {
                "column": column,
                "slice": told,
                "rows": int(mask.sum()),
                "inside": scored[0],
                "outside": scored[1],
                "harder": bool(far[i] > 0),
                "p": float(p_values[i]),
            }
        )
        if len(found) == SHOWN:
            break
    return {"asked": len(every), "found": found}


def row_losses(evidence: Evidence) -> np.ndarray | None:
    """Of the blend's out-of-fold predictions [rows]: see ``order.losses``; of texts how far chrF is from 1."""
    import numpy as np

    if (found := losses(evidence)) is not None:
        return found[0]
    answered = evidence.answered
    if evidence.kind != "text" or evidence.competition.task.of_tokens:
        return None
    from pipeline.decoding.minimum_risk import similarities

    pairs = zip(answered.predictions["prediction"], answered.target, strict=True)
    return np.array([1 - float(similarities([said, wanted])[0, 1]) for said, wanted in pairs])


def _slices(evidence: Evidence) -> Iterator[tuple[str, str, np.ndarray]]:
    """Column, which of its values, and the rows [predicted rows] that have one of them."""
    rows = evidence.train.iloc[evidence.answered.rows].reset_index(drop=True)
    for column in evidence.schema.columns:
        if column.kind == "image":
            continue
        values = rows[column.name]
        if column.kind == "category":
            yield from _of_levels(column.name, values)
        elif column.kind == "number":
            yield from _of_numbers(column.name, values, "")
        else:
            lengths = values.map(lambda text: float(len(str(text).split())), na_action="ignore").astype(float)
            yield from _of_numbers(column.name, lengths, " words")
    time = evidence.competition.columns.time
    if time is not None and time in rows and time not in evidence.schema.names("number", "category", "text"):
        yield from _of_numbers(time, rows[time].rank(method="average", pct=True), " of time")


def _of_levels(name: str, values: pd.Series) -> Iterator[tuple[str, str, np.ndarray]]:
    if (missing := values.isna()).any():
        yield name, "missing", missing.to_numpy()
    counts = values.dropna().astype(str).value_counts()
    if len(counts) <= MOST_LEVELS:
        known = values.astype("object").where(values.notna(), "\0").astype(str)
        for level in sorted(counts.index):
            yield name, level, (known == level).to_numpy()


def _counted(told: str, unit: str) -> str:
    return f"{told}{unit.removesuffix('s') if told == '1' else unit}"


def _of_numbers(name: str, values: pd.Series, unit: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """Each value where there are few, else bins of as many rows."""
    import numpy as np

    numbers = values.to_numpy(dtype=float)
    missing = np.isnan(numbers)
    if missing.any():
        yield name, "missing", missing
    known = numbers[~missing]
    few = np.unique(known)
    if len(few) <= BINS:
        for value in few:
            yield name, _counted(f"{value:g}", unit), numbers == value
        return
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    whole = bool((few == np.floor(few)).all())
    for low, high in pairwise(edges.tolist()):
        last = high == edges[-1]
        mask = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        if whole and mask.any():  # 1 to 4, rather than 1 to below 4.2
            low, high, last = float(numbers[mask].min()), float(numbers[mask].max()), True
        told = number(low) if low == high else f"{number(low)} to {'' if last else 'below '}{number(high)}"
        yield name, _counted(told, unit), mask


def number(value: float) -> str:
    """Six digits; whole and in groups of three from ten thousand on, so that years stay years."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.6g}"


def _scored(evidence: Evidence, mask: np.ndarray) -> tuple[float, float] | None:
    """The metric of the slice's rows and of all others; None where it does not suit them."""
    answered, metric = evidence.answered, evidence.competition.metric
    scores = []
    for some in (mask, ~mask):
        target = answered.target[some].reset_index(drop=True)
        try:
            score = float(metric.score(target, answered.predictions[some].reset_index(drop=True)))
        except (UserError, ValueError, ZeroDivisionError):
            return None
        if score != score:
            return None
        scores.append(score)
    return scores[0], scores[1]
