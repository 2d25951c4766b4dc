"""Days without a year, months without a day, and what only looks like them."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest

from pipeline.core.errors import UserError
from pipeline.features.dates import date_format
from pipeline.features.schema import apply
from pipeline.features.settling import settle


def words(*values):
    return pd.Series(list(values), dtype="str")


DAYS = [datetime(2000, 2, 28), datetime(2000, 2, 29), datetime(2000, 3, 1), datetime(2000, 12, 31)]


@pytest.mark.parametrize("form", ["%d-%b", "%d %B", "%d/%b", "%d%b", "%b %d", "%B %d", "%d. %B", "%dth of %B"])
def test_a_day_without_a_year(form):
    written = [one.strftime(form).replace("31th", "31st").replace(" 01", " 1") for one in DAYS]
    frame = pd.DataFrame({"on": words(*written, None)})
    schema = settle(frame, None, id=None, target=None)
    assert [column.name for column in schema.columns] == ["on.month", "on.day", "on.day_of_year"]
    rows = apply(schema, frame, training=False, where="x")
    assert rows["on.month"][:4].tolist() == [2, 2, 3, 12] and rows["on.day"][:4].tolist() == [28, 29, 1, 31]
    assert rows["on.day_of_year"][:4].tolist() == [59, 60, 61, 366] and rows.loc[4].isna().all()
    assert "without a year" in schema.notes["on"]
    for row in range(4):  # as a row alone, which predict may be given
        assert apply(schema, frame.iloc[[row]], training=False, where="x")["on.day"].tolist() == [DAYS[row].day]
    with pytest.raises(UserError, match="needs a date written like"):
        apply(schema, pd.DataFrame({"on": words("2020-01-31")}), training=False, where="x")


def settled_days(*written):
    frame = pd.DataFrame({"on": words(*written)})
    schema = settle(frame, None, id=None, target=None)
    return {column.source.removeprefix("date.") for column in schema.columns}, schema.notes.get("on", "")


def test_a_month_and_a_number_is_a_day_or_a_year_by_all_values_and_told_where_they_leave_it_open():
    parts, note = settled_days("19-Jan", "03-Feb")
    assert "year" not in parts and "could be a month and its year (columns.formats: '%y-%b')" in note
    parts, note = settled_days("Jan-19", "Feb-03")
    assert "year" in parts and "could be days of a month (columns.formats: '%b-%d')" in note
    parts, note = settled_days("19-Jan", "45-Feb")  # no day
    assert "year" in parts and "could be" not in note
    months = [datetime(2000, month, 1).strftime("%b") for month in range(1, 13)]
    parts, note = settled_days(*(f"{year:02d}-{month}" for year in range(7, 16) for month in months))
    assert "year" in parts and "could be" not in note  # of a hundred days more than nine would differ
    for form in ("{1}-{0:02d}", "{0:02d}-{1}"):
        parts, note = settled_days(*(form.format(day, month) for day in range(1, 29) for month in months))
        assert "year" not in parts and "could be" not in note
    frame = pd.DataFrame({"on": words("19-Jan", "03-Feb")})
    schema = settle(frame, None, id=None, target=None, formats={"on": "%y-%b"})
    assert apply(schema, frame, training=False, where="x")["on.year"].tolist() == [2019, 2003]
    assert "could be" not in schema.notes["on"]


@pytest.mark.parametrize(
    "written",
    [
        ["2020/01", "2019/3", "2021/12"],
        ["01-2020", "03-2019", "12-2021"],
        ["2020 Jan", "2019 Mar", "2021 Dec"],
        ["2020年1月", "2019年3月", "2021年12月"],
        ["٢٠٢٠/٠١/٠١", "٢٠١٩/٠٣/٠١", "٢٠٢١/١٢/٠١"],
        ["２０２０年１月１日", "２０１９年３月１日", "２０２１年１２月１日"],
    ],
)
def test_months_in_figures_and_digits_of_other_scripts(written):
    frame = pd.DataFrame({"sold": words(*written)})
    rows = apply(settle(frame, None, id=None, target=None), frame, training=False, where="x")
    days = [str(pd.Timestamp(0) + pd.Timedelta(day, "D"))[:10] for day in rows["sold.days"]]
    assert days == ["2020-01-01", "2019-03-01", "2021-12-01"]


@pytest.mark.parametrize("written", [["2009/10", "2010/11", "2011/12"], ["2008-09", "2009-10"], ["1999/00", "2000/01"]])
def test_seasons_are_no_months(written):
    assert date_format(words(*written)) is None
