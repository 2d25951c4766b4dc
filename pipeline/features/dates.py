"""Dates and clock times written as text: how a column writes them, and what they become.

A date becomes numbers, ``DATE_PARTS``; a clock time the hours since midnight. Days that only stand for "none" or
"for ever" (year 1 and years from 9000 on) are missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from pipeline.features.values import text

if TYPE_CHECKING:
    import pandas as pd

DATE_PARTS = ("year", "month", "day", "weekday", "day_of_year", "hour", "days")
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y.%m.%d")
_SHORT_DAYS = ("%m/%d/%y", "%d/%m/%y", "%m-%d-%y", "%d-%m-%y", "%d.%m.%y")
_NAMED_MONTHS = ("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d %b %Y", "%d %B %Y")
_JOINED_MONTHS = ("%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d%b%Y")
_MONTHS = ("%b-%Y", "%b-%y", "%b %Y", "%B %Y", "%Y-%b", "%m/%Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f", ":%H:%M:%S")
CLOCKS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H:%M:%S.%f")
DATE_FORMATS = (
    "ISO8601",
    *(day + time for day in _DAYS + _SHORT_DAYS + _NAMED_MONTHS + _JOINED_MONTHS for time in _TIMES),
    *_MONTHS,
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S",
    "%A, %B %d, %Y",
    "%d%b%y",
)
"""Tried in this order, so that 03/04/2020 is the 4th of March unless another row forbids it."""

_LOOKS_LIKE_DATE = re.compile(
    r"(?=(?:.*\d){3})(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|.*[A-Za-z]{3}.*\d{2}|\d{1,2}/\d{4}|\d{4}-\d{2}$).*|\d{1,2}:\d\d.*"
)
_ZONE = r"\s*\b(?:UTC|GMT)$"
_FIRST_YEAR, _LAST_YEAR = 2, 8999


def date_format(words: pd.Series) -> str | None:
    """The first of ``DATE_FORMATS`` and ``CLOCKS`` that reads every present value; None where none does."""
    present = words.dropna().drop_duplicates().str.strip()
    if present.empty or not all(_LOOKS_LIKE_DATE.fullmatch(word) for word in present.iloc[:20]):
        return None
    present = present.str.replace(_ZONE, "", regex=True)
    for form in CLOCKS if re.fullmatch(r"\d{1,2}:\d\d(?!.*/).*", present.iloc[0]) else DATE_FORMATS:
        if all(_read(some, form).notna().all() for some in (present.iloc[:50], present)):
            return form if "%y" not in form else f"{form}{_FROM}{_first_year(_read(present, form).dt.year.to_numpy())}"
    return None


_FROM = ", years from "
_LATEST = 2040
"""Year that two digits are not taken to be beyond."""


def _first_year(years: np.ndarray) -> int:
    """First of the hundred years that two digits mean: the column's years lie together in them, as late as may be."""
    digits = np.unique(years % 100)
    gaps = np.diff(np.append(digits, digits[0] + 100))
    first = int(digits[(int(gaps.argmax()) + 1) % len(digits)])  # behind the widest gap
    span = int((digits[int(gaps.argmax())] - first) % 100)
    return 2000 + first if 2000 + first + span <= _LATEST else 1900 + first


def example(form: str) -> str:
    """How a format writes a day, for a person."""
    written, _, first = form.partition(_FROM)
    return datetime(2020, 1, 31, 17, 5, 9).strftime(written) + (f"{_FROM}{first}" if first else "")


def compact_date(words: pd.Series) -> str | None:
    """``%Y%m%d`` or ``%Y``, where every value reads so: of columns declared as dates alone, since such are numbers."""
    present = words.dropna().drop_duplicates().str.strip()
    for form, digits in (("%Y%m%d", r"\d{8}"), ("%Y", r"\d{4}")):
        if len(present) and present.str.fullmatch(digits).all() and _read(present, form).notna().all():
            return form
    return None


def either_way(words: pd.Series, form: str) -> bool:
    """Whether day and month could also stand the other way round."""
    form = form.partition(_FROM)[0]
    if "%m" not in form or "%d" not in form or form.startswith("%Y"):
        return False
    other = form.replace("%m", "%_").replace("%d", "%m").replace("%_", "%d")
    present = words.dropna().drop_duplicates().str.strip().str.replace(_ZONE, "", regex=True)
    return bool(_read(present, other).notna().all())


def _read(words: pd.Series, form: str) -> pd.Series:
    import pandas as pd

    return pd.to_datetime(words, format=form, errors="coerce", utc=True)


def dates(series: pd.Series, form: str | None, missing: Sequence[str]) -> tuple[pd.Series, np.ndarray]:
    """datetime64 [rows] (UTC, without a zone), and bool [rows]: present and no such date."""
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(series.dtype):
        read = pd.Series(pd.to_datetime(series, utc=True), index=series.index)
        bad = np.zeros(len(series), dtype=bool)
    else:
        codes, distinct = pd.factorize(series, use_na_sentinel=True)  # days repeat
        words = text(pd.Series(distinct, dtype=series.dtype), missing).str.strip()
        written, _, first = (form or "ISO8601").partition(_FROM)
        read = _read(words.str.replace(_ZONE, "", regex=True), written)
        if first:
            shift = (int(first) + (read.dt.year - int(first)) % 100) - read.dt.year
            for years in sorted(shift.dropna().unique()):
                if years:
                    moved = read + pd.DateOffset(years=int(years))
                    read = read.mask(shift == years, moved)
        bad = np.append((words.notna() & read.isna()).to_numpy(), False)[codes]
        read = read.reindex(codes).set_axis(series.index)  # -1, of what is missing, is no label
    read = read.dt.tz_localize(None)
    return read.where(read.dt.year.between(_FIRST_YEAR, _LAST_YEAR)), bad


def date_part(moments: pd.Series, part: str) -> np.ndarray:
    """One of ``DATE_PARTS`` as float64 [rows]; weekday 0 is Monday, days count from 1970-01-01. ``time``: hours since
    midnight."""
    if part == "days":
        seconds = np.array(moments.astype("datetime64[s]").astype("int64"), dtype="float64")
        return np.where(moments.isna(), np.nan, seconds / 86400)
    if part == "time":
        hours = moments.dt.hour + moments.dt.minute / 60 + moments.dt.second / 3600
        return hours.to_numpy(dtype="float64", na_value=np.nan)
    values = getattr(moments.dt, "day_of_week" if part == "weekday" else part)
    return values.to_numpy(dtype="float64", na_value=np.nan)
