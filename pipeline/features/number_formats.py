"""How a column of text writes its numbers: decided once, from all its values.

A format is told as the way in which it writes 1234.5: ``1,234.5``, ``1.234,5 €``, ``1 234,5``, ``1,234.5 bhp``.
What stands before a number may be a currency, what stands behind it is one unit throughout, or the magnitudes
k, M and B. ``(1,234)`` is negative.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.formats import NUMBER_FORMATS

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
_UNIT = rf"%|[\p{{L}}°µ$€£¥₹][^\d().,'+-]{{0,{LONGEST_UNIT - 1}}}"
_VALUE = (  # as RE2 has it, which pyarrow runs
    rf"^(?P<open>\(?)(?P<sign>[-+]?) ?(?P<currency>(?:{_CURRENCY})?) ?(?P<second>[-+]?)"
    r"(?P<body>\d(?:[\d.,' ]*\d)?|[.,]\d+)(?P<exponent>(?:[eE][-+]?\d+)?)"
    rf"(?P<last>-?|[.,/]?[-–—]{{1,2}}|\.) ?(?P<unit>(?:{_UNIT})?)(?P<close>\)?)$"
)
_MARKED_AS_TEXT = r"""^(?:'([-+.,\d].*)|="([^"]*)")$"""
"""How spreadsheets mark a number as text: '5 and ="5"."""
_ODD = {"[\u00a0\u202f\u2009\u2007]": " ", "’": "'", "−": "-"}


def _whole(written: str) -> str:
    thousands, decimal = map(re.escape, SEPARATORS[written])
    grouped = rf"[1-9]\d{{0,2}}(?:{thousands}\d{{2,3}})*{thousands}\d{{3}}"  # 12,34,567 as in India
    return rf"^(?:(?:{grouped}|\d+)(?:{decimal}\d*)?|{decimal}\d+)$"


@dataclass(frozen=True)
class NumberFormat:
    """written: how it writes 1234.5 without a unit, a key of ``SEPARATORS``. unit: what stands behind a number, ''
    for nothing. doubtful: whether all values are numbers in another format too, and other ones."""

    written: str = "1,234.5"
    unit: str = ""
    doubtful: bool = False

    def __str__(self) -> str:
        return f"{self.written} {self.unit}".rstrip()

    @classmethod
    def parse(cls, told: str) -> NumberFormat:
        """What ``str`` told."""
        written = next(written for written in SEPARATORS if told.startswith(written))
        return cls(written, told.removeprefix(written).strip())

    def read(self, words: pd.Series) -> np.ndarray:
        """float64 [rows] of text, NaN where it is missing or not such a number."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc

        codes, distinct = pd.factorize(words, use_na_sentinel=True)
        text = _text(distinct)
        # Most numbers have nothing around them, and are read at once.
        bare = pc.fill_null(pc.match_substring_regex(text, rf"^-?{_whole(self.written)[1:]}"), False)
        numbers = np.array(_plain(pc.if_else(bare, text, None), self.written).cast(pa.float64()), dtype="float64")
        if not pc.all(bare).as_py():
            rest = ~bare.to_numpy(zero_copy_only=False)
            numbers[rest] = self._numbers(_parts(distinct[rest]))
        return np.append(numbers, np.nan)[codes]

    def _numbers(self, parts: dict[str, pa.Array]) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        body = pc.if_else(_fit(parts["body"], self.written), parts["body"], None)
        plain = pc.binary_join_element_wise(_plain(body, self.written), parts["exponent"], "")
        number = np.array(plain.cast(pa.float64()), dtype="float64")
        minus = pc.equal(parts["open"], "(")
        for name in ("sign", "second", "last"):  # 12.- has no cents, 12- is negative
            minus = pc.or_(minus, pc.equal(parts[name], "-"))
        number = np.where(pc.fill_null(minus, False).to_numpy(False), -number, number)
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
        found = _format(some, likely) if len(some) else None
        if found is None or len(some) == len(distinct):
            return found
        if len(some) == MANY and not found.doubtful and not found.unit and _bare(distinct, found.written):
            return found
    return found


def _bare(words: pd.Series, written: str) -> bool:
    """Whether all are numbers of this format with nothing around them, none with a zero in front as codes have."""
    import pyarrow.compute as pc

    text = _text(words)
    return bool(
        pc.all(pc.match_substring_regex(text, rf"^-?{_whole(written)[1:]}")).as_py()
        and not pc.any(pc.match_substring_regex(text, r"^0\d+$")).as_py()
    )


def _format(distinct: pd.Series, likely: str | None) -> NumberFormat | None:
    import pyarrow.compute as pc

    parts = _parts(distinct)
    if parts["body"].null_count:
        return None
    if len([one for one in pc.unique(parts["currency"]).to_pylist() if one]) > 1:
        return None  # they would need a rate
    counts = pc.value_counts(parts["unit"])
    unit = _unit(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))
    if unit is None or _are_codes(parts, unit):
        return None
    fitting = [written for written in SEPARATORS if pc.all(_fit(parts["body"], written)).as_py()]
    if not fitting:
        return None
    first = _plain(parts["body"], fitting[0])
    doubtful = any(not first.equals(_plain(parts["body"], other)) for other in fitting[1:])
    return NumberFormat(likely if likely in fitting else fitting[0], unit, doubtful)  # type: ignore[arg-type]


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


def _are_codes(parts: dict[str, pa.Array], unit: str) -> bool:
    """Whether values that differ would be one number: 10 and 10A, 007 and 7, 1E2 and 10E1; or whether all have as many
    digits, some of them zeros in front."""
    import pyarrow.compute as pc

    body, exponent = parts["body"], parts["exponent"]
    if unit and unit != SEVERAL_MAGNITUDES and len(pc.unique(body)) < len(body):
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


def _text(words: pd.Series | pd.Index) -> pa.Array:
    """Text without outer spaces, odd spaces and signs as plain ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.array(words, pa.string())
    text = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    if not pc.all(pc.string_is_ascii(text)).as_py():
        for odd, plain in _ODD.items():
            text = pc.replace_substring_regex(text, odd, plain)
    text = pc.utf8_trim_whitespace(text)
    if pc.any(pc.match_substring_regex(text, _MARKED_AS_TEXT)).as_py():
        text = pc.replace_substring_regex(text, _MARKED_AS_TEXT, r"\1\2")
    return text


def _parts(words: pd.Series | pd.Index) -> dict[str, pa.Array]:
    """What each value is made of, as text by the names of the groups in ``_VALUE``; null where it is no number."""
    import pyarrow.compute as pc

    parts = pc.extract_regex(_text(words), _VALUE)
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
