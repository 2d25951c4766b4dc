"""Columns that are left out: constant or empty ones, and those that only name or number the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.schema import INDEX
from pipeline.features import values
from pipeline.features.column_words import Words

if TYPE_CHECKING:
    import pandas as pd

IDENTIFIER_ROWS = 20
"""Rows below which no value twice says nothing."""
FIRST = 10_000
_ID_NAME = re.compile(r"(?:^|[\W_])(?:id|uid|uuid|guid|hash|key|index|idx|rowid|rownum|rownames)\d*$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z](?:ID|Id|UUID|Key)$")
_RANDOM = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,}|"
    r"(?=\D*\d[^A-Z]*[A-Z]\D*\d)[A-Z0-9_+/=-]{16,}",
    re.IGNORECASE,
)
"""Each part of it reads a value once: values may be texts of a million letters."""
TIME_NAME = re.compile(
    r"(?i:(?:^|[\W_])(?:year|yr|month|week|quarter|season|date|day|time|timestamp|period|epoch)s?\d*$)"
    r"|[a-z](?:Year|Month|Week|Quarter|Season|Date|Day|Time|Timestamp|Period)$"
)
"""Names of times, which may go up by one from row to row and go on in the test file."""
_YEARS = (1800, 2100)
_DAYS = (19000101, 21001231)
"""What years, and days written 20200131, lie between."""
_COUNTED = re.compile(r"\A([^\d\s]*)(\d+)([^\d\s]*)\Z")


def reason_to_drop(name: str, seen: Sequence[pd.Series], words: Words | None, missing: Sequence[str]) -> str | None:
    if words is not None and words.repeats:
        return None
    numeric = words is None
    series = seen if numeric else [values.levels(one, missing) for one in seen]
    train = series[0]
    if train.isna().all():
        return "all missing"
    if train.notna().all() and len(train) > 1 and (train == train.iloc[0]).all():
        return f"constant: always {train.iloc[0]!s}"
    if train.dtype.kind == "M":
        return None
    if INDEX.fullmatch(name) and train.is_unique and (not numeric or bool((train % 1 == 0).all())):
        return "pandas' index, which numbers the rows"
    if len(train) < IDENTIFIER_ROWS or train.isna().any() or _repeats(train):
        return None
    if not _is_time(name, series) and _counts(series):
        return "identifier: counts the rows"
    if any(one.isna().any() or not one.is_unique for one in series) or not _never_twice(series):
        return None
    if numeric and not bool((train % 1 == 0).all()):
        return None
    if words is not None and (words.number_format() is not None or words.date_format is not None):
        return None
    if _ID_NAME.search(name) or _CAMEL_ID.search(name):
        return "identifier: named as one, and no value occurs twice"
    if not numeric and train.iloc[:1000].str.fullmatch(_RANDOM).all():
        return "identifier: codes drawn at random, no value occurs twice"
    return None


def _repeats(values: pd.Series) -> bool:
    """Whether a value is there twice, which the first rows mostly show."""
    return not (values.iloc[:FIRST].is_unique and values.is_unique)


def _never_twice(series: Sequence[pd.Series]) -> bool:
    import pandas as pd

    return pd.concat(series).is_unique


def _is_time(name: str, series: Sequence[pd.Series]) -> bool:
    """Whether a column is named as a time, or holds years or days."""
    if TIME_NAME.search(name):
        return True
    return all(values.is_numeric(one) for one in series) and any(
        all(bool(one.dropna().between(*ends).all()) for one in series) for ends in (_YEARS, _DAYS)
    )


def _counts(series: Sequence[pd.Series]) -> bool:
    """Whether the values number the rows: up by one from row to row in each file, or all numbers of a range once,
    dealt to the files; with the same letters around them."""
    import pandas as pd

    numbers = []
    for one in series:
        if not values.is_numeric(one):
            parts = one.astype("str").str.extract(_COUNTED.pattern)  # (before, number, behind)
            if parts[1].isna().any() or parts[1].str.len().max() > 15 or any(parts[i].nunique() > 1 for i in (0, 2)):
                return False
            one = parts[1].astype("int64")
        elif one.isna().any() or not bool((one % 1 == 0).all()):
            return False
        numbers.append(one.to_numpy(dtype="float64"))
    if all(len(one) > 1 and bool((np.diff(one) == 1).all()) for one in numbers):
        return True
    every = np.concatenate(numbers)
    return bool(every.max() - every.min() == len(every) - 1 and pd.Series(every).is_unique)
