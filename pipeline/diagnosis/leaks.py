"""Which rows of one thing, or of a later time, folds train on, and what of it the test gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.diagnosis.evidence import Evidence

DAYS = ("date.days", "date.year")
"""What is made of a date, and goes up with it."""


def groups(evidence: Evidence) -> dict[str, dict[str, float]]:
    """By column whose values stand for things with several rows: the share of validated rows whose thing is among the
    rows that their fold trains on (``folds``), and of test rows whose thing is among the training rows (``test``)."""
    import numpy as np

    if evidence.test is None:
        return {}
    found = {}
    names = [*evidence.schema.names("category", "number"), *evidence.schema.keep]
    folds = list(evidence.folds())
    for name in dict.fromkeys(names):
        if name not in evidence.train or name not in evidence.test:
            continue
        train, test = evidence.train[name], evidence.test[name]
        counts = train.value_counts()
        if len(counts) < 20 or not 2 <= counts.median() <= len(train) / 20 or not len(test.dropna()):
            continue
        met = np.concatenate([train[here].dropna().isin(train[there].dropna().unique()) for here, there in folds])
        known = test.dropna().isin(counts.index)
        found[name] = {"folds": float(met.mean()), "test": float(known.mean()), "values": float(len(counts))}
    return found


def times(evidence: Evidence) -> dict[str, dict[str, float]]:
    """By date, or number that is named as a time: the share of training rows that are later than a validated row, in
    its fold (``folds``), and than a test row (``test``)."""
    import numpy as np

    from pipeline.features.identifiers import TIME_NAME

    found: dict[str, dict[str, float]] = {}
    if evidence.test is None:
        return found
    numbers = [column for column in evidence.schema.columns if column.kind == "number"]
    asked = {one.name: one.origin or one.name for one in numbers if one.source in DAYS or TIME_NAME.search(one.name)}
    for name, shown in asked.items():
        train, test = moments(evidence.train, name), moments(evidence.test, name)
        if train is None or test is None:
            continue
        later = [_later(train[there], train[here]) for here, there in evidence.folds()]
        found[shown] = {"folds": float(np.concatenate(later).mean()), "test": float(_later(train, test).mean())}
    return found


def moments(rows: pd.DataFrame, name: str) -> np.ndarray | None:
    """Times as numbers [rows]; None where the rows lack the column, or a row its time."""
    import numpy as np

    from pipeline.core.errors import UserError
    from pipeline.splits.time_ordered import times_of

    if name not in rows or rows[name].isna().any():
        return None
    try:
        return times_of("time_ordered", rows[name]).astype(np.float64)
    except UserError:
        return None  # times that cannot be read


def _later(train: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Of each time in ``asked``, the share of those in ``train`` that are later."""
    import numpy as np

    return 1 - np.searchsorted(np.sort(train), asked, side="right") / max(len(train), 1)
