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

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SEPARATORS = {
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234,5": (" ", ","),
    "1 234.5": (" ", "."),
    "1'234.5": ("'", "."),
}
"""Thousands and decimal mark by format, the likeliest first."""
MAGNITUDES = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9}
SEVERAL_MAGNITUDES = "k, M, B"
LONGEST_UNIT = 12
FEW = 100
"""Values looked at first, which mostly decide."""
_CURRENCY = r"[$€£¥₹₩₽₺฿]|US\$|R\$|USD|EUR|GBP|CHF|JPY|INR|CNY|BRL|Rs\.?|kr\.?"
_UNIT = rf"%|[^\d\s().,'+-][^\d().,'+-]{{0,{LONGEST_UNIT - 1}}}"
_VALUE = (  # as RE2 has it, which pyarrow runs
    rf"^(?P<open>\(?)(?P<sign>[-+]?) ?(?:{_CURRENCY})? ?(?P<second>[-+]?)"
    rf"(?P<body>\d[\d.,' ]*?|[.,]\d+)(?P<exponent>(?:[eE][-+]?\d+)?)(?P<last>-?) ?(?P<unit>(?:{_UNIT})?)(?P<close>\)?)$"
)
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

        codes, distinct = pd.factorize(words, use_na_sentinel=True)
        return np.append(self._numbers(_parts(distinct)), np.nan)[codes]

    def _numbers(self, parts: dict[str, pa.Array]) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.compute as pc

        body = pc.if_else(_fit(parts["body"], self.written), parts["body"], None)
        plain = pc.binary_join_element_wise(_plain(body, self.written), parts["exponent"], "")
        number = np.array(plain.cast(pa.float64()), dtype="float64")
        minus = pc.equal(parts["open"], "(")
        for name in ("sign", "second", "last"):
            minus = pc.or_(minus, pc.equal(parts[name], "-"))
        number = np.where(pc.fill_null(minus, False).to_numpy(False), -number, number)
        units = [_alike(unit) for unit in pc.fill_null(parts["unit"], "").to_pylist()]
        if self.unit == SEVERAL_MAGNITUDES:
            return number * np.array([MAGNITUDES.get(unit, np.nan) if unit else 1.0 for unit in units])
        return np.where([unit in ("", "%", _alike(self.unit)) for unit in units], number, np.nan)


def number_format(words: pd.Series, likely: str | None = None) -> NumberFormat | None:
    """The format in which every present value is a number; None where there is none.

    words: text, NaN where missing. likely: how other columns of the file write 1234.5, which decides
    where these values alone do not.
    """
    distinct = words.dropna().drop_duplicates()
    found = None
    for some in (distinct.iloc[:FEW], distinct) if len(distinct) > FEW else (distinct,):
        found = _format(some, likely) if len(some) else None
        if found is None:
            return None
    return found


def _format(distinct: pd.Series, likely: str | None) -> NumberFormat | None:
    import pyarrow.compute as pc

    parts = _parts(distinct)
    if parts["body"].null_count:
        return None
    units = {_alike(unit): unit for unit in sorted(pc.unique(parts["unit"]).to_pylist()) if unit}
    if len(units) > 1 and not set(units) <= set(MAGNITUDES):
        return None
    unit = SEVERAL_MAGNITUDES if len(units) > 1 else next(iter(units.values()), "")
    fitting = [written for written in SEPARATORS if pc.all(_fit(parts["body"], written)).as_py()]
    if not fitting:
        return None
    first = _plain(parts["body"], fitting[0])
    doubtful = any(not first.equals(_plain(parts["body"], other)) for other in fitting[1:])
    return NumberFormat(likely if likely in fitting else fitting[0], unit, doubtful)  # type: ignore[arg-type]


def _parts(words: pd.Series | pd.Index) -> dict[str, pa.Array]:
    """What each value is made of, as text by the names of the groups in ``_VALUE``; null where it is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.array(words, pa.string())
    text = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    for odd, plain in _ODD.items():
        text = pc.replace_substring_regex(text, odd, plain)
    parts = pc.extract_regex(pc.utf8_trim_whitespace(text), _VALUE)
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
