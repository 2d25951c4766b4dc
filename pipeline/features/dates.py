"""Dates and clock times written as text: how a column writes them, and what they become.

A date becomes numbers, ``DATE_PARTS``; a clock time the hours since midnight. Days that only stand for "none" or
"for ever" (year 1 and years from 9000 on) are missing. Moments with a zone, told by its offset or its name, are
those of UTC; 24:00 is the end of its day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from pipeline.features.date_words import as_usual
from pipeline.features.values import text

if TYPE_CHECKING:
    import pandas as pd

DATE_PARTS = ("year", "month", "day", "weekday", "day_of_year", "hour", "days")
YEARLESS_PARTS = ("month", "day", "day_of_year")
"""Of days whose year is not told."""
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y.%m.%d")
_SHORT_DAYS = ("%m/%d/%y", "%d/%m/%y", "%m-%d-%y", "%d-%m-%y", "%d.%m.%y")
_NAMED_MONTHS = ("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d %b %Y", "%d %B %Y", "%d %b, %Y", "%d %b %y", "%b %d, %y")
_JOINED_MONTHS = ("%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d%b%Y", "%Y-%b-%d", "%d-%B-%Y")
_MONTHS = ("%b-%Y", "%b-%y", "%b %Y", "%B %Y", "%Y-%b", "%m/%Y", "%b %y", "%b'%y", "%B-%Y", "%B-%y", "%B %y")
_MORE_MONTHS = ("%Y/%m", "%m-%Y", "%Y %b", "%Y %B")
_ALL_DAYS = _DAYS + _SHORT_DAYS + _NAMED_MONTHS + _JOINED_MONTHS
_NO_YEAR = ("%d-%b", "%d-%B", "%d %b", "%d %B", "%d/%b", "%b %d", "%B %d", "%b-%d", "%B-%d", "%d%b")
_YEAR_OR_DAY = {
    "%b-%y": "%b-%d",
    "%b %y": "%b %d",
    "%B-%y": "%B-%d",
    "%B %y": "%B %d",
    "%d-%b": "%y-%b",
    "%d-%B": "%y-%B",
}
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f", ":%H:%M:%S")
_COMMA_TIMES = (", %H:%M", ", %H:%M:%S", ", %I:%M %p", ", %I:%M:%S %p")
_MORE_TIMES = (*_COMMA_TIMES, " %I:%M%p", " %I:%M:%S%p", " at %H:%M", " at %I:%M %p")
_LIKE_MORE = re.compile(r", \d\d?:|\d[ap]m$| at \d", re.IGNORECASE)
"""What a value has that has one of these."""
_CLOCKS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H:%M:%S.%f")
ISO = "ISO8601"
OR = " or "
"""Between the formats of a column in which each value has one of several."""
DURATION = "[h]:mm:ss"
"""Hours that may be more than a day's, as spreadsheets name it; also days and such hours."""
DATE_FORMATS = (
    ISO,
    *(day + time for day in _ALL_DAYS for time in _TIMES),
    *_MONTHS,
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %z %Y",
    "%A, %B %d, %Y",
    "%d%b%y",
    *_MORE_MONTHS,
    *_NO_YEAR,
    "%y-%b",
    "%y-%B",
    "%d/%b/%Y:%H:%M:%S %z",
)
"""Tried in this order, so that 03/04/2020 is the 4th of March unless another row forbids it."""

_A_MONTH = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[A-Za-z]{0,6}"
_LOOKS_LIKE_DATE = re.compile(
    r"(?=(?:.*\d){3})(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|.*[A-Za-z]{3}.*\d{2}|\d{1,2}[-/]\d{4}|\d{4}[-/]\d{1,2}$).*"
    rf"|\d{{1,4}}:\d\d.*|[A-Za-z]{{3,9}}[-' ]\d\d|{_A_MONTH}[- ]\d|\d\d?[-/ ]?{_A_MONTH}|\d{{4}} {_A_MONTH}"
    r"|\d{8}T\d{4}(?:\d\d)?(?:\.\d+)?Z?"
)
_WEEKDAY = re.compile(r"((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:[a-z]*day)?)(,? )(?=\w)", re.IGNORECASE)
_FIRST_YEAR, _LAST_YEAR = 2, 8999
_LEAP_YEAR = " 2000"
"""In which days without a year are, so that there is a 29th of February."""
_AT_MOST, _SOME = 3, 200
"""Formats that a column may mix, and values that are looked at to choose the next."""
_MANY_DAYS, _MANY_MONTHS = 20, 60
"""Numbers from 1 to 31 beside a month that are more likely its days than years; months and numbers that would have as
many different days."""


def date_format(words: pd.Series) -> str | None:
    """The first of ``DATE_FORMATS`` and of clock times that reads every present value; None where none does."""
    present = _likely(words)
    for form in _possible(present):
        if _reads(present, form):
            return None if _are_seasons(present) else _with_century(present, _year_or_day(present, form))
    return None


def mixed_format(words: pd.Series) -> str | None:
    """Up to three formats, joined by ``OR``, of which each present value has one; None where there are no such.

    None of two orders of day and month, since then nothing says which of them 03/04/2020 has.
    """
    present = left = _likely(words)
    forms: list[str] = []
    while not left.empty and len(forms) < _AT_MOST:
        some = left.iloc[:_SOME]
        counts = {form: int(_read(some, form).notna().sum()) for form in _possible(present) if _begins(some, form)}
        if not counts:
            return None
        forms.append(max(counts, key=lambda form: counts[form]))
        left = left[_read(left, forms[-1]).isna()]
    orders = {day_first(form) for form in forms if the_other_way(form) is not None}
    return None if not left.empty or len(orders) > 1 or len(forms) < 2 else OR.join(forms)


def _begins(some: pd.Series, form: str) -> bool:
    whole = "%y" not in form and form != DURATION and (has_year(form) or is_clock(form))
    return whole and bool(_read(some.iloc[:1], form).notna().all())


def _possible(present: pd.Series) -> Sequence[str]:
    """The formats that a column's values, as ``_likely`` has them, may have."""
    if present.empty:
        return ()
    forms = DATE_FORMATS
    if re.fullmatch(r"\d{1,4}:\d\d(?!.*/).*|-?\d+ days?\b.*", present.iloc[0]):
        forms = (*_CLOCKS, DURATION)
    elif (weekday := _WEEKDAY.match(present.iloc[0])) is not None:
        begin = ("%A" if weekday[1].lower().endswith("day") else "%a") + weekday[2]
        forms = (*DATE_FORMATS, *(begin + form for form in DATE_FORMATS if not form.startswith(("%a", "%A", ISO))))
    elif _LIKE_MORE.search(present.iloc[0]):
        forms = (*DATE_FORMATS, *(day + time for day in _ALL_DAYS for time in _MORE_TIMES))
    return forms


def _year_or_day(present: pd.Series, form: str) -> str:
    """Of a month and a number, the likelier of its day and its year.

    Days soon are more than twenty different ones; years of sixty different months are not. With fewer values it is
    what people mostly mean: 19-Jan is a day, Jan-19 a month.
    """
    other = _YEAR_OR_DAY.get(form)
    if other is None or not _reads(present, other):
        return form
    days = present.str.extract(r"(\d+)", expand=False).nunique() > _MANY_DAYS
    surely = days or len(present) >= _MANY_MONTHS
    return other if surely and days != has_year(other) else form


def year_or_day(words: pd.Series, form: str) -> str | None:
    """The other reading of a month and a number, where the values leave it open; else None."""
    other = next((one for pair in _YEAR_OR_DAY.items() for one in pair if form in pair and one != form), None)
    present = _distinct(words)
    if other is None or len(present) >= _MANY_MONTHS or not _reads(present, other):
        return None
    return None if present.str.extract(r"(\d+)", expand=False).nunique() > _MANY_DAYS else other


def has_year(form: str) -> bool:
    """Whether a format of days tells their year."""
    return form == ISO or re.search(r"%[YyGcxs]", form) is not None


def _are_seasons(present: pd.Series) -> bool:
    """Whether what reads as a year and a month is rather two years, one after the other: 2009/10, 2010/11."""
    pairs = present.str.extract(r"^(\d{4})[-/](\d{2})$")
    if len(present) < 2 or pairs[0].isna().any():
        return False
    return bool(((pairs[0].astype(int) + 1) % 100 == pairs[1].astype(int)).all())


def declared_date(train: pd.Series, every: pd.Series, form: str) -> str | None:
    """A declared format, where the training file is written in it, or in another that leaves no doubt; else None."""
    if not _reads(_distinct(train), form) and own_format(train, form) is None:
        return None
    present = _distinct(every)
    return _with_century(present[_read(present, form).notna()], form)


def own_format(words: pd.Series, other: str) -> str | None:
    """How a file writes its dates, where that is not the rest of the column's way, ``other``, and its values leave no
    doubt of it; else None."""
    present = _distinct(words)
    if present.empty or _reads(present, other.partition(FROM)[0]):
        return None
    form = date_format(words) or compact_date(words)
    if form is None or (is_clock(form), has_year(form)) != (is_clock(other), has_year(other)):
        return None
    return None if either_way(words, form) else form


def is_clock(form: str) -> bool:
    """Whether a format is of clock times, without a day."""
    return form != ISO and not re.search(r"%[YymbBdjGVuaA]", form)


def _distinct(words: pd.Series) -> pd.Series:
    """Each present value once, without outer spaces and what ``as_usual`` takes off."""
    return as_usual(words.dropna().drop_duplicates().str.strip())[0]


def _likely(words: pd.Series) -> pd.Series:
    """What ``_distinct`` has, where the first values look like dates; else nothing: texts are long to look through."""
    level = words.dropna().drop_duplicates()
    if level.empty or not all(_LOOKS_LIKE_DATE.fullmatch(word) for word in _distinct(level.iloc[:20])):
        return level.iloc[:0]
    return _distinct(level)


def _reads(present: pd.Series, form: str) -> bool:
    return len(present) > 0 and all(_read(some, form).notna().all() for some in (present.iloc[:50], present))


def _with_century(present: pd.Series, form: str) -> str:
    """A format with two digits of a year and the hundred years that they mean."""
    if "%y" not in form or present.empty:
        return form
    return f"{form}{FROM}{_first_year(_read(present, form).dt.year.to_numpy())}"


FROM = ", years from "
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
    if OR in form:
        return OR.join(map(example, form.split(OR)))
    written, _, first = {ISO: "%Y-%m-%d", DURATION: "49:05:09"}.get(form, form).partition(FROM)
    return datetime(2020, 1, 31, 17, 5, 9, tzinfo=UTC).strftime(written) + (f"{FROM}{first}" if first else "")


def compact_date(words: pd.Series) -> str | None:
    """``%Y%m%d`` or ``%Y``, where every value reads so: of columns declared as dates alone, since such are numbers."""
    present = words.dropna().drop_duplicates().str.strip()
    for form, digits in (("%Y%m%d", r"\d{8}"), ("%Y", r"\d{4}")):
        if len(present) and present.str.fullmatch(digits).all() and _read(present, form).notna().all():
            return form
    return None


def either_way(words: pd.Series, form: str) -> bool:
    """Whether day and month could also stand the other way round."""
    other = the_other_way(form)
    return other is not None and _reads(_distinct(words), other)


def day_first(form: str) -> bool:
    """Whether the day stands before the month's number."""
    return any(-1 < one.find("%d") < one.find("%m") for one in form.split(OR))


def the_other_way(form: str) -> str | None:
    """A format with day and month the other way round; None where it has no such."""
    form = form.partition(FROM)[0]
    turned = OR.join(map(_turned, form.split(OR)))
    return None if turned == form else turned


def _turned(form: str) -> str:
    if "%m" not in form or "%d" not in form or form.startswith("%Y"):
        return form
    return form.replace("%m", "%_").replace("%d", "%m").replace("%_", "%d")


def _read(words: pd.Series, form: str) -> pd.Series:
    import pandas as pd

    if OR in form:
        first, _, others = form.partition(OR)
        read = _read(words, first)
        return read.fillna(_read(words[read.isna()], others))
    if form == DURATION:
        return pd.Timestamp(1900, 1, 1, tz="UTC") + pd.to_timedelta(words, errors="coerce")
    if not has_year(form) and not is_clock(form):
        words, form = words + _LEAP_YEAR, f"{form} %Y"
    return pd.to_datetime(words, format=form, errors="coerce", utc=True)


def dates(
    series: pd.Series, form: str | None, missing: Sequence[str], *, whole: bool = False
) -> tuple[pd.Series, np.ndarray]:
    """datetime64 [rows] (UTC, without a zone), and bool [rows]: present and no such date.

    form: the column's; a file that writes them otherwise, and leaves no doubt how, is read in its own. With day and
    month the other way round only where these rows are ``whole``, all of a file that is settled once: else what one
    row says would hang on those beside it.
    """
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(series.dtype):
        read = pd.Series(pd.to_datetime(series, utc=True), index=series.index)
        bad = np.zeros(len(series), dtype=bool)
    else:
        codes, distinct = pd.factorize(series, use_na_sentinel=True)  # days repeat
        words = text(pd.Series(distinct, dtype=series.dtype), missing).str.strip()
        read = _moments(words, form or ISO)
        own = own_format(words, form or ISO) if (words.notna() & read.isna()).any() else None
        if own is not None and (whole or own.partition(FROM)[0] != the_other_way(form or ISO)):
            read = _moments(words, own)
        bad = np.append((words.notna() & read.isna()).to_numpy(), False)[codes]
        read = read.reindex(codes).set_axis(series.index)  # -1, of what is missing, is no label
    read = read.dt.tz_localize(None)
    return read.where(read.dt.year.between(_FIRST_YEAR, _LAST_YEAR)), bad


def _moments(words: pd.Series, form: str) -> pd.Series:
    """Distinct values as moments of UTC, NaT where they are not written so."""
    import pandas as pd

    written, _, first = form.partition(FROM)
    plain, hours = as_usual(words)
    read = _read(plain, written)
    if first:
        shift = (int(first) + (read.dt.year - int(first)) % 100) - read.dt.year
        for years in sorted(shift.dropna().unique()):
            if years:
                moved = read + pd.DateOffset(years=int(years))
                read = read.mask(shift == years, moved)
    return read if hours is None else read + pd.to_timedelta(hours, unit="h")


def date_part(moments: pd.Series, part: str) -> np.ndarray:
    """One of ``DATE_PARTS`` as float64 [rows]; weekday 0 is Monday, days count from 1970-01-01. ``time``: hours since
    midnight."""
    if part == "days":
        seconds = np.array(moments.astype("datetime64[s]").astype("int64"), dtype="float64")
        return np.where(moments.isna(), np.nan, seconds / 86400)
    if part == "time":  # of a clock alone the day is pandas' first, or the next at 24:00; a duration has many
        hours = (moments - np.datetime64("1900-01-01")).dt.total_seconds() / 3600
        return hours.to_numpy(dtype="float64", na_value=np.nan)
    values = getattr(moments.dt, "day_of_week" if part == "weekday" else part)
    return values.to_numpy(dtype="float64", na_value=np.nan)
