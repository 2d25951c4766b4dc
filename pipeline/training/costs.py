"""What a fit took: seconds, memory, rows and tokens. Measured, so it is told and recorded, and no output holds it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.ragged import Ragged
from pipeline.core.types import Encoded


def cost_of(train: Encoded, valid: Encoded, seconds: float, answering: float, passes: int) -> dict[str, float]:
    """Of one fold. seconds: it took in all. answering: those of answering the validation rows once. passes: over the
    training rows.

    ``memory``: most bytes that its process held so far. ``rows``, ``tokens``: of the training rows, in each pass.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes, on macOS bytes
    ragged = [column for column in train.values() if isinstance(column, Ragged)]
    return {
        "seconds": seconds,
        "answering": answering,
        "rows": float(passes * _rows(train)),
        "answered": float(_rows(valid)),
        "tokens": float(passes * max((int(column.lengths.sum()) for column in ragged), default=0)),
        "memory": float(peak if sys.platform == "darwin" else peak << 10),
    }


def cost_of_folds(folds: Sequence[Mapping[str, float] | None]) -> dict[str, float]:
    """Of a cross-validation: sums, and the largest memory."""
    known = [one for one in folds if one]
    sums = {key: sum(one[key] for one in known) for key in ("seconds", "answering", "rows", "answered", "tokens")}
    return {**sums, "memory": max(one["memory"] for one in known)} if known else {}


def _rows(encoded: Encoded) -> int:
    some: Any = next(iter(encoded.values()))
    return len(some)
