"""Dates and clock times as people and programs write them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.core.registry import build_settings
from pipeline.core.sections import Columns
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
        "%Y%m%dT%H%M%S",
        "%m/%d/%Y, %I:%M:%S %p",
        "%d.%m.%Y, %H:%M",
        "%Y-%m-%d %I:%M%p",
        "%B %d, %Y at %I:%M %p",
        "%d/%b/%Y:%H:%M:%S +0000",
    ],
)
def test_a_date_is_read_as_it_was_written(form):
    moments = [datetime(2020, 1, 31, 17, 5, 0), datetime(1999, 12, 13, 0, 0, 0), datetime(2021, 6, 25, 23, 30, 0)]
    written = words(*(one.strftime(form) for one in moments), None)
    found = date_format(written)
    assert found is not None
    read, bad = dates(written, found, ())
    assert not bad.any()
    for part in ("year", "month", "day", *(["hour"] if "%p" in form or "%H" in form else [])):
        assert date_part(read, part)[:3].tolist() == [getattr(one, part) for one in moments]
    assert np.isnan(date_part(read, "days")[3])


@pytest.mark.parametrize(("form", "step"), [("%H:%M", 0), ("%I:%M %p", 0), ("%I:%M%p", 0), ("%H:%M:%S", 36)])
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


def read_in(test, train=("2020-01-31", "2019-12-13", "2021-06-25"), **options):
    """The days of both files, and the schema; each file is written in its own way."""
    files = pd.DataFrame({"sold": words(*train)}), pd.DataFrame({"sold": words(*test)})
    schema = settle(*files, id=None, target=None, **options)
    rows = [apply(schema, one, training=one is files[0], where="test.csv") for one in files]
    return [[str(pd.Timestamp(0) + pd.Timedelta(day, "D"))[:10] for day in one["sold.days"]] for one in rows], schema


@pytest.mark.parametrize(
    "written", ["31/01/2020", "1/31/2020", "31-Jan-2020", "31.01.20", "Jan 31, 2020 10:00 PM", "20200131"]
)
def test_a_file_may_write_its_dates_in_its_own_way(written):
    (train, test), schema = read_in([written, None])
    assert train[0] == "2020-01-31" and test == ["2020-01-31", "NaT"]
    assert written == "20200131" or "written like 2020-01-31, in the test file like" in schema.notes["sold"]
    # A file that comes after the types were settled too.
    later = apply(read_in(["2020-03-04"])[1], pd.DataFrame({"sold": words(written)}), training=False, where="x")
    assert later["sold.month"].tolist() == [1]


def test_days_that_stand_for_none_are_told():
    (train, _), schema = read_in(["2020-03-04"], train=("2020-01-31", "9999-12-31", "2021-06-25"))
    assert train[1] == "NaT" and "'9999-12-31' taken for missing" in schema.notes["sold"]


@pytest.mark.parametrize("test", [("25/12/2021", "03/04/2021"), ("12/25/2021", "03/04/2021")])
def test_a_row_is_read_the_same_whatever_stands_beside_it(test):
    """The order of day and month is settled once, by the whole test file; not by the rows that come together later."""
    (_, days), schema = read_in(test, train=("12/31/2019", "06/25/2021", "01/02/2020"))
    assert days[0] == "2021-12-25"

    def later(*values):
        return apply(schema, pd.DataFrame({"sold": words(*values)}), training=False, where="x")["sold.days"].tolist()

    assert later("03/04/2021") == later("03/04/2021", test[0])[:1] == [pd.Timestamp(days[1]).value / 86400e9]
    with pytest.raises(UserError, match="needs a date written like"):
        later("03/04/2021", "25/12/2021" if test[0] == "12/25/2021" else "12/25/2021")


def test_what_a_file_s_own_way_leaves_open_is_refused_or_said():
    with pytest.raises(UserError, match=r"row 2: needs a date written like 2020-01-31, got '03/04/2020'.*columns.form"):
        read_in(["03/04/2020"])
    (train, test), _ = read_in(["03/04/2020"], formats={"sold": "%d/%m/%Y"})
    assert (train[0], test[0]) == ("2020-01-31", "2020-04-03")
    with pytest.raises(UserError, match=r"row 2: needs a date written like 2020-01-31, got 'soon'; mend the file$"):
        read_in(["soon"])


def test_the_test_file_s_order_of_day_and_month_is_the_training_file_s():
    (train, test), _ = read_in(["31/01/2020 10:00"], train=("03/04/2020", "05/06/2020"))
    assert train == ["2020-04-03", "2020-06-05"] and test == ["2020-01-31"]


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2020-01-31 10:00:00 EST", "2020-01-31 15:00:00"),
        ("2020-01-31 22:00:00 PST", "2020-02-01 06:00:00"),
        ("31/01/2020 00:30 CET", "2020-01-30 23:30:00"),
        ("2020-01-31 10:00:00 (IST)", "2020-01-31 04:30:00"),
        ("Fri Jan 31 10:00:00 EDT 2020", "2020-01-31 14:00:00"),
        ("01/31/2020 10:00 AM EST", "2020-01-31 15:00:00"),
        ("2020-01-31 EST", "2020-01-31 00:00:00"),
        ("2020-01-31 24:00", "2020-02-01 00:00:00"),
        ("2020-12-31T24:00:00Z", "2021-01-01 00:00:00"),
        ("31.12.2020 24:00:00", "2021-01-01 00:00:00"),
        ("2020-01-31 17:00:00,123", "2020-01-31 17:00:00.123"),
        ("31/01/2020 17:00:00,5", "2020-01-31 17:00:00.5"),
        ("Friday, 31 January 2020", "2020-01-31 00:00:00"),
        ("Fri 31 Jan 2020", "2020-01-31 00:00:00"),
        ("Friday, January 31st, 2020", "2020-01-31 00:00:00"),
        ("22nd of Feb 2020", "2020-02-22 00:00:00"),
        ("fri, 31.01.2020 17:05", "2020-01-31 17:05:00"),
        ("Fri, 31 Jan 2020 17:00:00 +0200", "2020-01-31 15:00:00"),
        ("Fri Jan 31 17:00:00 +0000 2020", "2020-01-31 17:00:00"),
    ],
)
def test_zones_weekdays_ordinals_the_end_of_a_day_and_decimal_commas(written, utc):
    column = words(written, None)
    form = date_format(column)
    assert form is not None
    read, bad = dates(column, form, ())
    assert not bad.any() and read[0] == pd.Timestamp(utc)


def test_the_end_of_the_day_on_a_clock():
    read, bad = dates(words("24:00", "00:00", "09:30"), date_format(words("24:00", "00:00", "09:30")), ())
    assert not bad.any() and date_part(read, "time").tolist() == [24, 0, 9.5]


def test_a_declared_format_of_dates_decides():
    frame = pd.DataFrame({"sold": words("03/04/2020", "05/06/2020"), "at": words("17.30", "09.05")})
    schema = settle(frame, None, id=None, target=None, formats={"sold": "%d/%m/%Y", "at": "%H.%M"})
    rows = apply(schema, frame, training=False, where="x")
    assert rows["sold.day"].tolist() == [3, 5] and rows["at.time"].round(3).tolist() == [17.5, 9.083]
    assert "other way round" not in schema.notes["sold"]
    assert "(columns.formats: '%d/%m/%Y')" in settle(frame[["sold"]], None, id=None, target=None).notes["sold"]
    with pytest.raises(UserError, match=r"'sold', row 2: declared as dates written like 31.01.2020, got '03/04/2020'"):
        settle(frame, None, id=None, target=None, formats={"sold": "%d.%m.%Y"})
    with pytest.raises(UserError, match=r"no column 'sol' \(declared as columns.formats\); did you mean 'sold'"):
        settle(frame, None, id=None, target=None, formats={"sol": "%d.%m.%Y"})
    # A column that rows are ordered by, and is no feature.
    kept = settle(frame, None, id=None, target=None, keep=["sold"], formats={"sold": "%d/%m/%Y"})
    assert apply(kept, frame, training=True, where="x")["sold"].dt.month.tolist() == [4, 6]


def test_a_declared_format_may_tell_the_zone():
    said = build_settings(Columns, {"target": "y", "formats": {"at": "%d.%m.%Y %H:%M %z"}}, "columns").formats
    frame = pd.DataFrame({"at": words("31.01.2020 17:05 +0100", "01.02.2020 00:30 -0500")})
    rows = apply(settle(frame, None, id=None, target=None, formats=said), frame, training=False, where="x")
    assert rows["at.day"].tolist() == [31, 1] and rows["at.hour"].tolist() == [16, 5]


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("2020-W05", "2020-01-27"),
        ("2020W01", "2019-12-30"),
        ("2020Q1", "2020-01-01"),
        ("2019-Q4", "2019-10-01"),
        ("Q3 2021", "2021-07-01"),
    ],
)
def test_a_week_or_a_quarter_is_its_first_day(written, first):
    column = words(written, None)
    read, bad = dates(column, date_format(column), ())
    assert not bad.any() and str(read[0])[:10] == first
    assert date_format(words("2020-W05", "2020-W54")) is None


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        (["49:30:00", "0:15:00", "120:00:36"], [49.5, 0.25, 120.01]),
        (["3 days 04:30:00", "0 days 00:15:00", "1 days 00:00:00"], [76.5, 0.25, 24]),
    ],
)
def test_durations_are_hours(written, hours):
    frame = pd.DataFrame({"took": words(*written)})
    schema = settle(frame, None, id=None, target=None)
    assert [column.name for column in schema.columns] == ["took.time"]
    np.testing.assert_allclose(apply(schema, frame, training=False, where="x")["took.time"], hours)


@pytest.mark.parametrize(
    "written",
    [
        ["31. Januar 2020", "5. März 2019", "12. August 2021"],
        ["31 janv. 2020", "5 mars 2019", "12 août 2021"],
        ["31 de enero de 2020", "5 de marzo de 2019", "12 de agosto de 2021"],
        ["31-ene-2020", "05-mar-2019", "12-ago-2021"],
        ["31 gennaio 2020", "5 marzo 2019", "12 agosto 2021"],
        ["31/jan/2020", "05/mar/2019", "12/ago/2021"],
        ["31 januari 2020", "5 maart 2019", "12 augustus 2021"],
        ["Jan. 31, 2020", "March 5, 2019", "Aug. 12, 2021"],
        ["31 Jan 20", "05 Mar 19", "12 Aug 21"],
        ["2020年1月31日", "2019年3月5日", "2021年8月12日"],
        ["31/01/2020", "2019-03-05", "12/08/2021"],
        ["2020-01-31", "03/05/2019", "08/12/2021 00:00"],
        ["Jan 31, 2020", "2019-03-05", "12.08.2021"],
    ],
)
def test_months_of_other_languages_and_columns_of_several_formats(written):
    frame = pd.DataFrame({"sold": words(*written, None)})
    if written[1] == "03/05/2019":
        frame.loc[4, "sold"] = "01/31/2020"  # which settles that the month is first
    schema = settle(frame, None, id=None, target=None)
    told = [str(pd.Timestamp(0) + pd.Timedelta(day, "D"))[:10] for day in read_days(schema, frame)]
    assert told[:4] == ["2020-01-31", "2019-03-05", "2021-08-12", "NaT"]
    for row in range(3):  # as a row alone, which predict may be given
        assert read_days(schema, frame.iloc[[row]]) == read_days(schema, frame)[row : row + 1]
    with pytest.raises(UserError, match=r"row 2: needs a date written like .*, got 'soon'"):
        read_days(schema, pd.DataFrame({"sold": words("soon")}))


def read_days(schema, frame):
    return apply(schema, frame, training=False, where="x")["sold.days"].tolist()


def test_formats_that_one_column_mixes_are_told_and_never_two_orders_of_day_and_month():
    frame = pd.DataFrame({"sold": words("2020-01-31", "03/04/2020")})
    note = settle(frame, None, id=None, target=None).notes["sold"]
    assert "2020-01-31 or 01/31/2020" in note and "(columns.formats: 'ISO8601 or %d/%m/%Y')" in note
    schema = settle(frame, None, id=None, target=None, formats={"sold": "ISO8601 or %d/%m/%Y"})
    assert read_days(schema, frame)[1] == (pd.Timestamp("2020-04-03") - pd.Timestamp(0)).days
    for both in (["01/31/2020", "31/01/2020"], ["2020-01-31", "01/31/2020", "31/12/2020", "2020-02-01"]):
        (column,) = settle(pd.DataFrame({"sold": words(*both)}), None, id=None, target=None).columns
        assert column.kind == "category"


@pytest.mark.parametrize("form", ["%b-%y", "%b %y", "%B-%y", "%b'%y"])
def test_a_month_and_two_digits_are_a_year_and_not_a_day(form):
    months = [datetime(1998 + i // 12, i % 12 + 1, 1) for i in range(40)]
    frame = pd.DataFrame({"since": words(*(one.strftime(form) for one in months))})
    schema = settle(frame, None, id=None, target=None)
    rows = apply(schema, frame, training=False, where="x")
    assert rows["since.year"].tolist() == [one.year for one in months]
    assert rows["since.month"].tolist() == [one.month for one in months]
    assert date_format(words(*(f"Mar-{day:02d}" for day in range(1, 32)))) == "%b-%d"


def test_words_and_codes_that_hold_a_month_are_no_dates():
    assert date_format(words("Lot-12", "Mar-12")) is None
    assert date_format(words("am 5. Mai 2020 war es", "12. Mai 2020")) is None


@pytest.mark.parametrize("written", ["05:15 p.m.", "05:15 P.M.", "05:15 p. m.", "05:15p.m."])
def test_noon_may_be_written_with_points(written):
    column = words(f"31/01/2020 {written}", f"30/01/2020 {written.replace('p', 'a').replace('P', 'A')}")
    read, bad = dates(column, date_format(column), ())
    assert not bad.any() and date_part(read, "hour").tolist() == [17, 5]
