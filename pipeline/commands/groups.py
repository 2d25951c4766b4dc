"""Columns whose values belong to one file each: patients, shops, places that the test rows do not share.

Folds dealt row by row would then know the validation rows' own patients, and promise too much.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.features.identifiers import TIME_NAME
from pipeline.features.values import levels

if TYPE_CHECKING:
    import pandas as pd

LEAST_GROUPS = 5
ROWS_A_GROUP = 2.0
"""Mean rows a value below which it groups nothing."""
CHANCE = 1e-6
"""How likely it may be, were the rows dealt at random, that no value is in both files."""
IDS = re.compile(
    r"(?:^|[\W_])(?:id|uid|key|code|no|nr|num|number)\d*$|[a-z](?:ID|Id)$|"
    r"(?:patient|subject|person|user|customer|client|shop|store|site|school|session|group|device|player|unit|engine|machine|vehicle|household|family|case|well|station|sensor)s?$",
    re.I,
)
ID_NAME = re.compile(
    r"(?i:(?:^|[\W_])(?:id|uid|uuid|guid|[ceopst]id)\d*$)|[a-z](?:ID|Id)\d*$|"
    r"(?i:(?:row|record|entry|case|sample|test|train|passenger|patient|subject|subj|person|people|user|customer|client|"
    r"member|employee|student|school|player|team|game|match|image|img|photo|picture|file|doc|document|text|tweet|post|"
    r"comment|article|review|question|book|movie|song|track|item|product|order|booking|account|loan|transaction|claim|"
    r"policy|session|event|visit|trip|flight|house|household|hh|property|listing|building|hospital|farm|animal|pet|shop|"
    r"store|station|sensor|device|machine|unit|vehicle|car|group|study|series|location|site)id\d*$)"
)
"""Names of ids, and not of whatever ends with the two letters, as ``fluid`` and ``paid`` do."""


@dataclass(frozen=True)
class Group:
    column: str
    why: str


def find_group(train: pd.DataFrame, test: pd.DataFrame, known: set[str | None]) -> Group | None:
    """The column to group folds by, if there is one; the coarsest of several, named ids first.

    known: columns that are something else (id, target, dropped ones).
    """
    found: list[tuple[bool, int, str, float]] = []
    for name in map(str, train.columns):
        if name in known or name not in test.columns or TIME_NAME.search(name):
            continue
        if train[name].isna().any():  # a row without a group cannot be kept with its own
            continue
        here, there = train[name], test[name].dropna()
        if (here.dtype == "str") != (there.dtype == "str"):  # where one has a word among its numbers
            here, there = levels(here, ()), levels(there, ())
        # Nearly all have values in both, which is soon seen; few are given, since isin makes Python's of them all.
        if here.iloc[:100_000].isin(there.iloc[:1000].unique()).any():
            continue
        if here.empty or there.nunique() < 2 or (not _words(here) and not _codes(name, here, there)):
            continue
        rows = here.value_counts()
        if len(rows) < LEAST_GROUPS or len(here) / len(rows) < ROWS_A_GROUP:
            continue
        alone = float(rows[rows == 1].sum() / len(here))  # of rows dealt at random, so many would be strangers
        if there.isin(rows.index).any() or alone ** len(there) > CHANCE:
            continue
        found.append((not IDS.search(name), len(rows), name, len(here) / len(rows)))
    if not found:
        return None
    _, count, name, mean = min(found)
    why = f"each of its {count} values has {mean:.0f} training rows on average, and none is in the test file"
    return Group(name, why)


def _words(values: pd.Series) -> bool:
    """Whether a column holds words, not numbers, dates or missing values written as text."""
    from pandas.api import types

    from pipeline.features.dates import date_format
    from pipeline.features.missing_marks import marks_among
    from pipeline.features.number_formats import number_format

    if types.is_numeric_dtype(values.dtype) or types.is_datetime64_any_dtype(values.dtype):
        return False
    text = values.astype("str")
    text = text[~text.str.strip().isin(list(marks_among(text)))]
    return number_format(text) is None and date_format(text) is None


def _codes(name: str, here: pd.Series, there: pd.Series) -> bool:
    """Whether numbers are codes: whole, and named so. Measured ones may differ from file to file."""
    whole = here.dtype.kind in "iuf" and there.dtype.kind in "iuf" and not bool((here % 1 != 0).any())
    return whole and bool(IDS.search(name))
