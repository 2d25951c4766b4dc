"""Numbers as other places and programs write them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.features.number_formats import SEPARATORS, NumberFormat, number_format
from pipeline.features.values import feature_numbers


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
        (["4-door", "2-door"], "1,234.5 door", [4, 2]),
        (["12- EUR", "7 EUR"], "1,234.5 EUR", [-12, 7]),
        (["٣٤", "۱۲", "९", "１２"], "1,234.5", [34, 12, 9, 12]),
        (["١٬٢٣٤٫٥", "－７．２５"], "1,234.5", [1234.5, -7.25]),
        (["２０％", "٣٪"], "1,234.5 %", [20, 3]),
        (["1.234,5", "٧"], "1.234,5", [1234.5, 7]),
        (["~3", "4", "≈ 5.5", "ca. 6", "about 7"], "~1,234.5", [3, 4, 5.5, 6, 7]),
        (["0", "1", "2", "3+"], "~1,234.5", [0, 1, 2, 3]),
        (["<5", "5", ">12", "≤7", "<0.1", "0.1", "3", "4"], "~1,234.5", [4.5, 5, 12.5, 7, 0.05, 0.1, 3, 4]),
        (["~1.234,5 km", "<3 km", "5 km"], "~1.234,5 km", [1234.5, 2.5, 5]),
        (["< 1 year", "1 year", "2 years", "3 years", "10+ years"], "~1,234.5 years", [0.5, 1, 2, 3, 10]),
        (["<1k", "2.5k", "900", "30"], "~1,234.5 k, M, B", [500, 2500, 900, 30]),
        ([*(f"{10**i:,}+" for i in range(10)), "0"], "~1,234.5", [*(10**i for i in range(10)), 0]),
        (["5 or more", "4", ">= 9", "1e3", "over 1e3", "7"], "~1,234.5", [5, 4, 9, 1000, 1500, 7]),
        (["5'11\"", "6'", "5’ 7”", "0'9.5\""], "1,234.5 ft, in", [71, 72, 67, 9.5]),
        (["5'11", "6'2", "5'7"], "1,234.5 ft, in", [71, 74, 67]),
        (["5 ft 11 in", "6ft 2in.", "5 feet, 7 inches"], "1,234.5 ft, in", [71, 74, 67]),
        (["1h07", "2h", "45m", "17h30"], "1,234.5 d, h, min, s", [1 + 7 / 60, 2, 0.75, 17.5]),
        (["2h 50m", "19h", "5m", "1d 2h"], "1,234.5 d, h, min, s", [2 + 50 / 60, 19, 5 / 60, 26]),
        (["1 hr 7 min", "30 mins", "1 hour and 30 seconds"], "1,234.5 d, h, min, s", [67 / 60, 0.5, 1 + 30 / 3600]),
        (["5'45\"", "4'30\""], "1,234.5 d, h, min, s", [5.75 / 60, 4.5 / 60]),
        (["1yrs 11mon", "0yrs 0mon"], "1,234.5 y, mo, w, d", [1 + 11 / 12, 0]),
        (["1 year", "2 weeks", "3 months"], "1,234.5 y, mo, w, d", [1, 14 / 365.25, 0.25]),
    ],
)
def test_the_format_is_that_of_all_values(written, told, numbers):
    found = number_format(words(*written, None))
    assert found is not None and str(found) == told
    assert str(NumberFormat.parse(told)) == told
    np.testing.assert_allclose(NumberFormat.parse(told).read(words(*written, None)), [*numbers, np.nan], rtol=1e-15)


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
        ["5'11", "x'2"],
        ["5'11", "6'12\"", "70"],
        ["A+", "A-", "B"],
        ["O+", "5+"],
        ["2+", "2-", "3"],
        ["0", "1", "2", "3", "3+"],
        ["<=50K", ">50K"],
        ["16+", "18+", "7+"],
        ["18-25", "25+", "<18"],
        ["2h", "3d", "4s"],
        ["5 km", "1h07"],
        ["19-Jan", "20-Jan"],
        ["19 Jan", "20 Jan"],
        ["1:07", "1h07"],
        ["~", "3"],
        ["<", "3"],
        ["٣A", "٤", "٥"],
        ["²", "3"],
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


def test_marks_are_read_only_where_a_column_has_them():
    assert np.isnan(NumberFormat().read(words("~3", "3+", "<3", "5'11", "1h07"))).all()
    assert np.isnan(NumberFormat.parse("~1,234.5").read(words("~", "5'11"))).all()
    late = words(*(str(i) for i in range(30_000)), "30000+")
    assert number_format(late) == NumberFormat(inexact=True)
    many = words(*(f"{i // 60}h {i % 60}m" for i in range(30_000)))
    np.testing.assert_allclose(NumberFormat(unit="d, h, min, s").read(many), np.arange(30_000) / 60)
    assert number_format(many) == NumberFormat(unit="d, h, min, s")


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


@pytest.mark.parametrize(
    "rows", [[1234.5, -2.25, None, 3], ["1.234,5", -2.25, None, "3"], ["1.234,5", "-2,25", None, 3.0]]
)
def test_numbers_among_texts_of_another_place_are_what_they_are(rows):
    read, bad = feature_numbers(pd.Series(rows, dtype=object), (), "1.234,5")
    np.testing.assert_array_equal(read, [1234.5, -2.25, np.nan, 3])
    assert not bad.any()
