"""Dates and clock times as people and programs write them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from pipeline.features.dates import compact_date, date_format, date_part, dates, either_way
from pipeline.features.schema import apply
from pipeline.features.settling import settle


def words(*values):
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(
    "form",
    [
        "%d-%b-%Y",
        "%d-%b-%y",
        "%m/%d/%y",
        "%d.%m.%Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%Y-%m-%d %H:%M:%S UTC",
        "%Y-%m-%dT%H:%M:%SZ",
        "%d/%b/%Y:%H:%M:%S",
        "%a %b %d %H:%M:%S %Y",
        "%B %d, %Y",
        "%d%b%Y",
    ],
)
def test_a_date_is_read_as_it_was_written(form):
    moments = [datetime(2020, 1, 31, 17, 5, 0), datetime(1999, 12, 13, 0, 0, 0), datetime(2021, 6, 25, 23, 30, 0)]
    written = words(*(one.strftime(form) for one in moments), None)
    found = date_format(written)
    assert found is not None
    read, bad = dates(written, found, ())
    assert not bad.any()
    for part in ("year", "month", "day"):
        assert date_part(read, part)[:3].tolist() == [getattr(one, part) for one in moments]
    assert np.isnan(date_part(read, "days")[3])


@pytest.mark.parametrize(("form", "step"), [("%H:%M", 0), ("%I:%M %p", 0), ("%H:%M:%S", 36)])
def test_a_clock_time_is_hours_since_midnight(form, step):
    times = [datetime(2020, 1, 1, hour, 15, step) for hour in (0, 9, 13, 23)]
    frame = pd.DataFrame({"at": words(*(one.strftime(form) for one in times))})
    schema = settle(frame, None, id=None, target=None)
    assert [column.name for column in schema.columns] == ["at.time"]
    rows = apply(schema, frame, training=False, where="x")
    np.testing.assert_allclose(rows["at.time"], [hour + 0.25 + step / 3600 for hour in (0, 9, 13, 23)])


def test_days_that_stand_for_none_are_missing_and_old_ones_are_not():
    read, bad = dates(words("9999-12-31", "0001-01-01", "1500-03-04", "2020-01-01"), "ISO8601", ())
    assert not bad.any()
    np.testing.assert_array_equal(date_part(read, "year"), [np.nan, np.nan, 1500, 2020])
    assert date_part(read, "days")[2] == np.float64((datetime(1500, 3, 4) - datetime(1970, 1, 1)).days)


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        ([1930, 1945, 1967, 1969, 1998], [1930, 1945, 1967, 1969, 1998]),
        ([1995, 1999, 2000, 2006], [1995, 1999, 2000, 2006]),
        ([2019, 2020, 2021], [2019, 2020, 2021]),
    ],
)
def test_years_of_two_digits_lie_together(years, expected):
    written = words(*(f"3/{13 + i}/{year % 100:02d}" for i, year in enumerate(years)), None)
    read, bad = dates(written, date_format(written), ())
    assert not bad.any() and date_part(read, "year")[: len(years)].tolist() == expected


def test_day_and_month_may_be_open():
    assert either_way(words("03/04/2020", "05/06/2020"), "%m/%d/%Y")
    assert not either_way(words("03/14/2020"), "%m/%d/%Y")
    assert not either_way(words("31-Jan-2020"), "%d-%b-%Y")


def test_numbers_are_dates_only_where_they_are_declared():
    assert compact_date(words("20200131", "19991213")) == "%Y%m%d"
    frame = pd.DataFrame({"sold": [20200101, 20200117, 20200105, 20191231]})
    assert [column.name for column in settle(frame, None, id=None, target=None).columns] == ["sold"]
    named = settle(frame, None, id=None, target=None, types={"sold": "date"})
    assert {"sold.day", "sold.days"} <= {column.name for column in named.columns}


@pytest.mark.parametrize("value", ["25:10", "abc 12", "Room 112", "192.168.1.1", "1.2.3", "20200131", "1,234"])
def test_what_is_no_date(value):
    assert date_format(words(value)) is None
