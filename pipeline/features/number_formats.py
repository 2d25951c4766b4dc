"""How a column of text writes its numbers: decided once, from all its values.

A format is told as the way in which it writes 1234.5: ``1,234.5``, ``1.234,5 €``, ``1 234,5``, ``1,234.5 bhp``.
What stands before a number may be a currency, what stands behind it is one unit throughout, or the magnitudes
k, M and B. ``(1,234)`` is negative. ``~1,234.5`` tells that some numbers are marked as not quite exact: ~3, 3+ and >=3
are read as 3, <3 as 2.5 and >3 as 3.5, half a unit of the last digit beside. Several units in one value (5'11", 1h07)
are a measure (``measures.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.formats import INEXACT, NUMBER_FORMATS
from pipeline.features.date_words import is_month
from pipeline.features.measures import MEASURES, measure
from pipeline.features.plain_text import plain_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SEPARATORS = {written: (written[1], written[-2]) for written in NUMBER_FORMATS}
"""Thousands and decimal mark by format, the likeliest first."""
DECIMAL_COMMAS = ("1.234,5", "1 234,5")
MAGNITUDES = {
    "k": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "t": 1e12,
    "lac": 1e5,
    "lakh": 1e5,
    "cr": 1e7,
    "crore": 1e7,
}
SEVERAL_MAGNITUDES = "k, M, B"
ALONE = {"k", "K", "M", "B", "Mn", "mn", "Bn", "bn", "Lac", "Lakh", "Cr", "Crore"}
"""Magnitudes that are taken for such beside plain numbers; m and b may be units."""
LONGEST_UNIT = 12
FEW = 100
"""Values looked at first, which mostly decide."""
MANY = 20_000
"""Values that are taken apart to see their format; the others need only be written in it."""
_CURRENCY = r"[$€£¥₹₩₽₺฿]|US\$|R\$|USD|EUR|GBP|CHF|JPY|INR|CNY|BRL|Rs\.?|Fr\.|kr\.?"
_UNIT = rf"%|[\p{{L}}°µ$€£¥₹][^\d().,'+-]{{0,{LONGEST_UNIT - 1}}}?"
_BELOW, _ABOVE = r"<|(?i:less than|under|below)", r">|(?i:more than|over|above)"
_ABOUT = r"~|(?i:ca\.?|circa|approx\.?|approximately|about|around)"
_BOUND = r"[<>]=|=[<>]|[≤≥]|(?i:at least|at most|up to)"
_MORE = r"\+| (?i:(?:or|and) (?:more|above|over|older))"
_BODY = r"\d(?:[\d.,' ]*\d)?|[.,]\d+"
_VALUE = (  # as RE2 has it, which pyarrow runs
    rf"^(?P<mark>(?:{_ABOUT}|{_BOUND}|{_BELOW}|{_ABOVE})?) ?"
    rf"(?P<open>\(?)(?P<sign>[-+]?) ?(?P<currency>(?:{_CURRENCY})?) ?(?P<second>[-+]?)"
    rf"(?P<body>{_BODY})(?P<exponent>(?:[eE][-+]?\d+)?)"
    rf"(?P<more>(?:{_MORE})?)(?P<last>-?|[.,/]?[-–—]{{1,2}}|\.)(?P<gap> ?)(?P<unit>(?:{_UNIT})??)"
    rf"(?P<beyond>(?:{_MORE})?)(?P<close>\)?)$"
)
_GROUPS = tuple(re.findall(r"\?P<(\w+)>", _VALUE))
EXACT, ABOUT, BOUND, BELOW, ABOVE = range(5)
_KINDS = {ABOUT: _ABOUT, BOUND: rf"{_BOUND}|{_MORE}", BELOW: _BELOW, ABOVE: _ABOVE}
FEW_LEVELS = 10
"""Different values below which marks at numbers may make levels of their own: <=50K and >50K, 3 and 3+."""


def _whole(written: str) -> str:
    thousands, decimal = map(re.escape, SEPARATORS[written])
    grouped = rf"[1-9]\d{{0,2}}(?:{thousands}\d{{2,3}})*{thousands}\d{{3}}"  # 12,34,567 as in India
    return rf"^(?:(?:{grouped}|\d+)(?:{decimal}\d*)?|{decimal}\d+)$"


@dataclass(frozen=True)
class NumberFormat:
    """written: how it writes 1234.5 without a unit, a key of ``SEPARATORS``. unit: what stands behind a number, ''
    for nothing, or that of a measure. doubtful: whether all values are numbers in another format too, and other ones.
    inexact: whether a number may have a mark such as ~, < or + at it."""

    written: str = "1,234.5"
    unit: str = ""
    doubtful: bool = False
    inexact: bool = False

    def __str__(self) -> str:
        return f"{INEXACT * self.inexact}{self.written} {self.unit}".rstrip()

    @classmethod
    def parse(cls, told: str) -> NumberFormat:
        """What ``str`` told."""
        exact = told.removeprefix(INEXACT)
        written = next(written for written in SEPARATORS if exact.startswith(written))
        return cls(written, exact.removeprefix(written).strip(), inexact=exact != told)

    def read(self, words: pd.Series) -> np.ndarray:
        """float64 [rows] of text, NaN where it is missing or not such a number."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        codes, distinct = pd.factorize(words, use_na_sentinel=True)
        text = plain_text(distinct)
        if self.unit in MEASURES:
            return np.append(MEASURES[self.unit].read(text)[0], np.nan)[codes]
        # Most numbers have nothing around them, and are read at once.
        bare = pc.fill_null(pc.match_substring_regex(text, rf"^-?{_whole(self.written)[1:]}"), False)
        numbers = np.array(_plain(pc.if_else(bare, text, None), self.written).cast(pa.float64()), dtype="float64")
        if not pc.all(bare).as_py():
            rest = ~bare.to_numpy(zero_copy_only=False)
            numbers[rest] = self._numbers(_parts(text.filter(pc.invert(bare))))
        return np.append(numbers, np.nan)[codes]

    def _numbers(self, parts: dict[str, pa.Array]) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        body = pc.if_else(_fit(parts["body"], self.written), parts["body"], None)
        plain = pc.binary_join_element_wise(_plain(body, self.written), parts["exponent"], "")
        number = np.array(plain.cast(pa.float64()), dtype="float64")
        number = np.where(_negative(parts), -number, number)
        if (marks := _marks(parts)).any():
            beside = _beside(marks, _plain(body, self.written), parts["exponent"])
            number = np.where(marks == EXACT, number, number + beside if self.inexact else np.nan)
        units = pc.fill_null(parts["unit"], "").dictionary_encode()
        factors = np.array([self._factor(_alike(unit)) for unit in units.dictionary.to_pylist()] + [np.nan])
        return number * factors[np.array(units.indices)]

    def _factor(self, unit: str) -> float:
        """What a number with this unit behind it is multiplied by; NaN for another unit than the format's."""
        if self.unit == SEVERAL_MAGNITUDES:
            return MAGNITUDES.get(unit, np.nan) if unit else 1.0
        return 1.0 if unit in ("", _alike(self.unit)) else np.nan


def number_format(words: pd.Series, likely: str | None = None) -> NumberFormat | None:
    """The format in which every present value is a number; None where there is none.

    words: text, NaN where missing. likely: how other columns of the file write 1234.5, which decides
    where these values alone do not.
    """
    distinct = words.dropna().drop_duplicates()
    found = None
    for some in (distinct.iloc[:FEW], distinct.iloc[:MANY], distinct):
        found = _format(plain_text(some), likely, len(some) == len(distinct)) if len(some) else None
        if found is None or len(some) == len(distinct):
            return found
        if len(some) == MANY and not found.doubtful and not found.unit and _bare(distinct, found.written):
            return found
    return found


def _bare(words: pd.Series, written: str) -> bool:
    """Whether all are numbers of this format with nothing around them, none with a zero in front as codes have."""
    import pyarrow.compute as pc

    text = plain_text(words)
    return bool(
        pc.all(pc.match_substring_regex(text, rf"^-?{_whole(written)[1:]}")).as_py()
        and not pc.any(pc.match_substring_regex(text, r"^0\d+$")).as_py()
    )


def _format(text: pa.Array, likely: str | None, whole: bool) -> NumberFormat | None:
    """whole: whether these are all values of the column."""
    if (found := _in_one_unit(_parts(text), likely)) is not None:
        return found
    units = measure(text, whole=whole)
    return None if units is None else NumberFormat(unit=units)


def _in_one_unit(parts: dict[str, pa.Array], likely: str | None) -> NumberFormat | None:
    import pyarrow.compute as pc

    if parts["body"].null_count:
        return None
    if len([one for one in pc.unique(parts["currency"]).to_pylist() if one]) > 1:
        return None  # they would need a rate
    counts = pc.value_counts(parts["unit"])
    unit = _unit(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))
    marks = _marks(parts)
    if unit is None or is_month(unit) or _are_codes(parts, unit, marks) or _are_levels(parts, marks):
        return None
    fitting = [written for written in SEPARATORS if pc.all(_fit(parts["body"], written)).as_py()]
    if not fitting:
        return None
    first = _plain(parts["body"], fitting[0])
    doubtful = any(not first.equals(_plain(parts["body"], other)) for other in fitting[1:])
    written = likely if likely in fitting else fitting[0]
    return NumberFormat(written, unit, doubtful, bool(marks.any()))  # type: ignore[arg-type]


def _unit(units: dict[str, int]) -> str | None:
    """That of all values, '' for none, ``SEVERAL_MAGNITUDES``; None where it is not the same for all.

    units: how many values have each.
    """
    named = {_alike(unit): unit for unit in sorted(units) if unit}
    bare = units.get("", 0)
    if named and set(named) <= set(MAGNITUDES) and (len(named) > 1 or (bare and set(named.values()) <= ALONE)):
        return SEVERAL_MAGNITUDES
    # Behind a few values alone it is a slip of the pen, or they are codes: 10, 10A, 11.
    return None if len(named) > 1 or (named and bare > sum(units.values()) / 2) else next(iter(named.values()), "")


def _are_codes(parts: dict[str, pa.Array], unit: str, marks: np.ndarray) -> bool:
    """Whether values that differ would be one number: 10 and 10A, 007 and 7, 1E2 and 10E1; or whether all have as many
    digits, some of them zeros in front."""
    import pyarrow.compute as pc

    body, exponent = parts["body"], parts["exponent"]
    if unit and unit != SEVERAL_MAGNITUDES:
        marked = zip(body.to_pylist(), marks.tolist(), strict=True) if marks.any() else pc.unique(body).to_pylist()
        if len(set(marked)) < len(body):
            return True
    padded = pc.match_substring_regex(body, r"^0\d+$")
    if pc.any(padded).as_py():
        widths = pc.unique(pc.utf8_length(body))
        bare = pc.replace_substring_regex(body, r"^0+(\d)", r"\1")
        return len(widths) == 1 or len(pc.unique(bare)) < len(body)
    whole = pc.and_(pc.match_substring_regex(body, r"^\d+$"), pc.match_substring_regex(exponent, r"^[eE]\d"))
    if not pc.any(whole).as_py():
        return False
    written = {f"{b}{e}" for b, e in zip(body.to_pylist(), exponent.to_pylist(), strict=True) if b.isdigit()}
    return len(set(map(float, written))) < len(written)


def _are_levels(parts: dict[str, pa.Array], marks: np.ndarray) -> bool:
    """Whether marks make values what they are: grades such as 2+ and 2-; few, mostly bounds; or few, of which two
    would be one number, as 3 and 3+."""
    import pyarrow.compute as pc

    bounds = marks > ABOUT
    if not bounds.any():
        return False
    if pc.any(pc.equal(parts["last"], "-")).as_py():
        return True
    if 2 * bounds.sum() > len(marks):
        return len(marks) < FEW_LEVELS
    body = parts["body"].to_numpy(zero_copy_only=False)
    few = len(marks) - bounds.sum() < FEW_LEVELS
    return bool(few and np.isin(body[marks == BOUND], body[~bounds]).any())


def _marks(parts: dict[str, pa.Array]) -> np.ndarray:
    """int8 [values]: how each is marked, of ``EXACT``, ``ABOUT``, ``BOUND``, ``BELOW`` and ``ABOVE``."""
    import pyarrow.compute as pc

    found = np.zeros(len(parts["mark"]), dtype="int8")
    for name in ("mark", "more", "beyond"):
        if not pc.any(pc.not_equal(parts[name], "")).as_py():
            continue
        for kind, pattern in _KINDS.items():
            marked = pc.match_substring_regex(parts[name], rf"^(?:{pattern})$")
            found[pc.fill_null(marked, False).to_numpy(zero_copy_only=False)] = kind
    return found


def _negative(parts: dict[str, pa.Array]) -> np.ndarray:
    import pyarrow.compute as pc

    # 12.- has no cents, 12- and 12- EUR are negative, 4-door has a hyphen.
    behind = pc.and_(pc.equal(parts["last"], "-"), pc.or_(pc.equal(parts["unit"], ""), pc.equal(parts["gap"], " ")))
    minus = pc.or_(pc.equal(parts["open"], "("), behind)
    for name in ("sign", "second"):
        minus = pc.or_(minus, pc.equal(parts[name], "-"))
    return pc.fill_null(minus, False).to_numpy(zero_copy_only=False)


def _beside(marks: np.ndarray, plain: pa.Array, exponent: pa.Array) -> np.ndarray:
    """float64 [values]: half a unit of the last digit, to where what is below or above a number lies."""
    import pyarrow as pa
    import pyarrow.compute as pc

    decimals = pc.fill_null(pc.utf8_length(pc.replace_substring_regex(plain, r"^[^.]*\.?", "")), 0)
    powers = pc.replace_substring_regex(pc.fill_null(exponent, ""), r"^[eE]\+?", "")
    powers = pc.if_else(pc.equal(powers, ""), "0", powers).cast(pa.int64())
    half = 0.5 * 10.0 ** (np.array(powers) - np.array(decimals))
    return half * ((marks == ABOVE).astype(float) - (marks == BELOW))


def _parts(text: pa.Array) -> dict[str, pa.Array]:
    """What each value is made of, as text by the names of the groups in ``_VALUE``; null where it is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.match_substring_regex(text, f"^-?(?:{_BODY})$"), skip_nulls=False).as_py():
        # Nothing around any: a tenth of the time.
        sign = pc.if_else(pc.starts_with(text, "-"), "-", "")
        nothing = dict.fromkeys(_GROUPS, pa.repeat("", len(text)))
        return {**nothing, "sign": sign, "body": pc.utf8_ltrim(text, "-")}
    parts = pc.extract_regex(text, _VALUE)
    closed = pc.equal(pc.binary_length(parts.field("open")), pc.binary_length(parts.field("close")))
    sound = pc.and_(pc.is_valid(parts), pc.fill_null(closed, False))
    found = {parts.type[i].name: pc.if_else(sound, parts.field(i), None) for i in range(parts.type.num_fields)}
    return {**found, "body": pc.utf8_trim_whitespace(found["body"]), "unit": pc.utf8_trim_whitespace(found["unit"])}


def _alike(unit: str) -> str:
    """A unit in lower case and singular: 1 year, 2 years."""
    folded = unit.casefold()
    return folded.removesuffix("s") if len(folded) > 2 else folded


def _fit(body: pa.Array, written: str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.match_substring_regex(body, _whole(written))


def _plain(body: pa.Array, written: str) -> pa.Array:
    """Numbers as Python writes them."""
    import pyarrow.compute as pc

    thousands, decimal = SEPARATORS[written]
    return pc.replace_substring(pc.replace_substring(body, thousands, ""), decimal, ".")
