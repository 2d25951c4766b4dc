"""Numbers in sentences: rounding makes nothing of something nowhere, and all of most."""

from __future__ import annotations

import pytest

from pipeline.core.shares import p_value, percent, span


@pytest.mark.parametrize(
    ("share", "digits", "told"),
    [
        (0.0, 1, "0%"),
        (0.0004, 1, "< 0.1%"),
        (0.0006, 1, "0.1%"),
        (0.1234, 1, "12.3%"),
        (0.9994, 1, "99.9%"),
        (0.9996, 1, "> 99.9%"),
        (1.0, 0, "100%"),
        (0.996, 0, "> 99%"),
        (0.004, 0, "< 1%"),
        (0.00002, 2, "< 0.01%"),
        (-0.2, 0, "-20%"),
        (1.5, 0, "150%"),
    ],
)
def test_what_is_neither_none_nor_all_is_told_as_neither(share, digits, told):
    assert percent(share, digits) == told


def test_a_span_whose_ends_read_alike_is_one_number():
    assert span([0.1291, 0.1294], percent) == "12.9%"
    assert span([0.0, 0.0001], percent) == "0% to < 0.1%"
    assert span([0.5, 0.625], "{:.3f}".format) == "0.500 to 0.625"


def test_no_p_value_is_told_as_none():
    assert (p_value(0.11), p_value(0.0049), p_value(0.0051)) == ("p 0.11", "p < 0.01", "p 0.01")
