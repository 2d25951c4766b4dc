"""Numbers in several units: 5'11" and 5 ft 11 in, 1h07 and 2 hr 5 min, 1 year 3 months. Each becomes one number.

What a column holds is decided from all its values: all are written in units of one measure, and some value in two of
them; where units are spelled (2 weeks, 3 months), it is enough that they differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = r"\d+(?:[.,]\d+)?"
_SHORT_UNIT = r"(?i)\d ?(?:\p{L}{1,2}(?:\P{L}|$)|['\"])"


@dataclass(frozen=True)
class Measure:
    """told: what it is and becomes, for a person. parts: from the largest, what a unit is called, as RE2 has it, and
    how many of the result's it is. bare: whether the last unit may go untold, as in 1h07 and 5'11. most: how much the
    smaller units stay below, where a larger one stands before."""

    told: str
    parts: tuple[tuple[str, float], ...]
    bare: bool = True
    most: float = np.inf

    @cached_property
    def _pattern(self) -> str:
        parts = [
            rf"(?:(?P<part{i}>{_NUMBER}) ?(?:{names})\.?(?:[ ,]*(?:and )?))?" for i, (names, _) in enumerate(self.parts)
        ]
        rest = r"(?P<rest>(?:\d{1,2})?)" if self.bare else "(?P<rest>)"
        return rf"(?i)^(?P<sign>-?){''.join(parts)}{rest}$"

    def read(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """float64 [values], NaN where one is not written so, and bool [values, units]: which it names."""
        import pyarrow.compute as pc

        found = pc.extract_regex(text, self._pattern)
        given = np.stack([_numbers(found.field(f"part{i}")) for i in range(len(self.parts))], axis=1)  # [values, units]
        named, rest = ~np.isnan(given), _numbers(found.field("rest"))
        # What has no unit is of the one that comes next.
        units = len(self.parts)
        after = np.where(named.any(axis=1), units - named[:, ::-1].argmax(axis=1), units)
        bare, fits = ~np.isnan(rest), ~np.isnan(rest) & (after < units)
        given[fits, after[fits]] = rest[fits]
        named = ~np.isnan(given)
        below = named.cumsum(axis=1) > named  # a larger unit stands before
        sound = named.any(axis=1) & (fits | ~bare) & ~(below & (given >= self.most)).any(axis=1)
        number = np.nansum(given * [factor for _, factor in self.parts], axis=1)
        minus = pc.fill_null(pc.equal(found.field("sign"), "-"), False).to_numpy(zero_copy_only=False)
        return np.where(sound, np.where(minus, -number, number), np.nan), named


def _numbers(digits: pa.Array) -> np.ndarray:
    """float64 [values], NaN where there is nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.replace_substring(digits, ",", ".")
    return np.array(pc.if_else(pc.equal(digits, ""), None, digits).cast(pa.float64()), dtype="float64")


_DAYS = r"days?|d"
MEASURES = {
    "ft, in": Measure(
        "feet and inches, read as inches", ((r"'|feet|foot|ft", 12), (r"''|\"|inch|inches|in", 1)), most=12
    ),
    "d, h, min, s": Measure(
        "days, hours, minutes and seconds, read as hours",
        (
            (_DAYS, 24),
            (r"hours?|hrs?|h", 1),
            (r"minutes?|mins?|m|'", 1 / 60),
            (r"seconds?|secs?|s|''|\"", 1 / 3600),
        ),
    ),
    "y, mo, w, d": Measure(
        "years, months, weeks and days, read as years",
        (
            (r"years?|yrs?|y", 1),
            (r"months?|mons?|mths?|mos?|m", 1 / 12),
            (r"weeks?|wks?|w", 7 / 365.25),
            (_DAYS, 1 / 365.25),
        ),
        bare=False,
    ),
}
"""By the units that a format tells."""


def measure(text: pa.Array, *, whole: bool) -> str | None:
    """The measure, of ``MEASURES``, in which every value is written; None where there is none.

    whole: whether these are all values of a column, which have to show that there are several units.
    """
    import pyarrow.compute as pc

    for units, one in MEASURES.items():
        numbers, named = one.read(text)
        if np.isnan(numbers).any():
            continue
        spelled = not pc.any(pc.match_substring_regex(text, _SHORT_UNIT)).as_py()
        if not whole or named.sum(axis=1).max() > 1 or (spelled and named.any(axis=0).sum() > 1):
            return units
    return None
