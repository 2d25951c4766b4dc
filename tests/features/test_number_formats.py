"""Numbers as other places and programs write them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.features.number_formats import SEPARATORS, NumberFormat, number_format


def words(*values):
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(
    ("written", "told", "numbers"),
    [
        (["0,435", "1,2"], "1.234,5", [0.435, 1.2]),
        (["1.234,50 €", "12,00 €"], "1.234,5 €", [1234.5, 12]),
        (["€ 1.234.567,5", "3"], "1.234,5", [1234567.5, 3]),
        (["82 bhp", "101.5 bhp"], "1,234.5 bhp", [82, 101.5]),
        (["1234kg", "99kg"], "1,234.5 kg", [1234, 99]),
        (["1 year", "2 years", "3 Years"], "1,234.5 years", [1, 2, 3]),
        (["12.5%", "3%"], "1,234.5 %", [12.5, 3]),
        (["(1,234)", "5.5"], "1,234.5", [-1234, 5.5]),
        (["-$5.00", "$1,200"], "1,234.5", [-5, 1200]),
        (["100-", "7"], "1,234.5", [-100, 7]),
        (["1 234", "5"], "1 234,5", [1234, 5]),
        (["1\u202f234,5", "10\u00a0000"], "1 234,5", [1234.5, 10000]),
        (["1 234.5", "5"], "1 234.5", [1234.5, 5]),
        (["1'200.50", "3"], "1'234.5", [1200.5, 3]),
        (["1,23,45,678", "12"], "1,234.5", [12345678, 12]),
        (["19M", "500k", "1.2M"], "1,234.5 k, M, B", [19e6, 5e5, 1.2e6]),
        (["1,5e3", "2,5"], "1.234,5", [1500, 2.5]),
        (["−3,5", "+4,25"], "1.234,5", [-3.5, 4.25]),
        ([".5", "5."], "1,234.5", [0.5, 5]),
        (["CHF 1'381.50", "CHF 8'919.-"], "1'234.5", [1381.5, 8919]),
        (["'5", "'7,5", "2"], "1.234,5", [5, 7.5, 2]),
        (['="5"', '="-7.25"'], "1,234.5", [5, -7.25]),
        (["€ 12,-", "€ 13,50"], "1.234,5", [12, 13.5]),
        (["1.2k", "100", "950"], "1,234.5 k, M, B", [1200, 100, 950]),
        (["$6.7M", "$780456"], "1,234.5 k, M, B", [6.7e6, 780456]),
    ],
)
def test_the_format_is_that_of_all_values(written, told, numbers):
    found = number_format(words(*written, None))
    assert found is not None and str(found) == told
    assert str(NumberFormat.parse(told)) == told
    np.testing.assert_array_equal(NumberFormat.parse(told).read(words(*written, None)), [*numbers, np.nan])


@pytest.mark.parametrize(
    "written",
    [
        ["5 km", "300 m"],
        ["A12", "A13"],
        ["12A", "13B"],
        ["1st", "2nd"],
        ["2020-01-02"],
        ["12:30"],
        ["1.2.3"],
        ["192.168.1.1"],
        ["(5"],
        ["12 34", "56 78"],
        ["1-2"],
        ["5'11"],
        ["1,2", "1.2.3"],
        ["10", "10A", "11", "11A"],
        ["12o", "1", "2", "3"],
        ["5 m", "7", "8"],
        ["1.#INF", "2.5"],
        ["007", "7", "70"],
        ["'007", "'010"],
        ["'tis", "'5"],
        ["01003", "10000"],
        ["1E2", "10E1"],
        ["$3", "€4"],
        ["3", "none"],
        [],
        [None],
    ],
)
def test_what_is_no_number_in_any_format(written):
    assert number_format(words(*written)) is None


def test_what_the_values_leave_open_is_told_and_decided_by_the_file():
    open_to_both = words("1,234", "2,500")
    found = number_format(open_to_both)
    assert found == NumberFormat("1,234.5", doubtful=True)
    likely = number_format(open_to_both, "1.234,5")
    assert likely is not None and likely.doubtful
    assert likely.read(open_to_both).tolist() == [1.234, 2.5]
    assert number_format(words("1,234", "0,5"), "1,234.5") == NumberFormat("1.234,5")


def test_many_values_are_read_as_few_are():
    many = words(*(f"{i},{i % 10}" for i in range(50_000)))
    assert number_format(many) == NumberFormat("1.234,5")
    late = words(*(f"{i},{100 + i % 900}" for i in range(1, 30_000)), "0,5")  # the last decides
    assert number_format(late) == NumberFormat("1.234,5")
    np.testing.assert_allclose(NumberFormat("1.234,5").read(many)[:3], [0.0, 1.1, 2.2])
    assert number_format(words(*(f"{i},5" for i in range(30_000)), "x")) is None


def test_another_unit_than_the_column_s_is_no_number():
    assert np.isnan(NumberFormat.parse("1,234.5 kg").read(words("5 lb", "x", "1.2.3"))).all()


@given(st.lists(st.decimals(-(10**9), 10**9, places=3), min_size=1, max_size=5), st.sampled_from(list(SEPARATORS)))
def test_what_is_written_in_a_format_reads_as_it_was(numbers, written):
    thousands, decimal = SEPARATORS[written]
    texts = [f"{one:,.3f}".replace(",", "T").replace(".", decimal).replace("T", thousands) for one in numbers]
    read = NumberFormat(written).read(words(*texts))
    np.testing.assert_allclose(read, [float(one) for one in numbers], rtol=1e-15)
    assert number_format(words(*texts)) is not None
