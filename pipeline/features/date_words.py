"""Dates in their writers' words, turned to the few ways that ``dates.py`` reads: zones by name, months of other
languages, ordinals, a.m. and p.m., the end of a day, weeks and quarters, years, months and days with their East Asian
signs.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.features.plain_text import OTHER_DIGITS, as_text, plain_digits

if TYPE_CHECKING:
    import pandas as pd

_AHEAD = {
    0: "UTC GMT WET",
    1: "CET MEZ BST WEST",
    2: "EET CEST MESZ",
    3: "MSK EEST",
    5.5: "IST",
    8: "SGT HKT AWST",
    9: "JST KST",
    9.5: "ACST",
    10: "AEST",
    10.5: "ACDT",
    11: "AEDT",
    12: "NZST",
    13: "NZDT",
    -3: "ADT",
    -4: "AST EDT",
    -5: "EST CDT",
    -6: "CST MDT",
    -7: "MST PDT",
    -8: "PST AKDT",
    -9: "AKST",
    -10: "HST",
}
ZONES = {name: hours for hours, names in _AHEAD.items() for name in names.split()}
"""Hours that a zone is ahead of UTC, by its usual name. CST and its like are America's, as in e-mail (RFC 5322)."""
_ZONE = re.compile(rf"(?<=[\dMm])\s*\(?({'|'.join(ZONES)})\)?(?=$|\s\d{{4}}$)")
_MIDNIGHT = re.compile(r"(?<![\d:])24(?=:00(?::00(?:[.,]0+)?)?(?:$|[^\d:]))")
_NOON = re.compile(r"(?<=\d) ?([ap])\.? ?m\.$", re.IGNORECASE)
_COMMA = re.compile(r"(?<=:\d\d),(?=\d)")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|er|º)(?: of)?\b|(?<=\d)[º.](?= ?[^\W\d])", re.IGNORECASE)
_WEEK = re.compile(r"(\d{4})-?W(\d{2})")
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])|Q([1-4])[- /](\d{4})")
_SIGNED = re.compile(r"(\d{4})[年년] ?(\d{1,2})[月월](?: ?(\d{1,2})[日일])?")

_NAMES = {
    "January": "januar januari jänner janvier janeiro enero gennaio",
    "February": "februar februari février fevrier fevereiro febrero febbraio",
    "March": "märz maerz maart mars março marco marzo",
    "April": "avril abril aprile",
    "May": "mai mei maio mayo maggio mag",
    "June": "juni juin junho junio giugno",
    "July": "juli juillet julho julio luglio",
    "August": "augustus août aout agosto",
    "September": "septembre septiembre setiembre setembro settembre",
    "October": "oktober octobre octubre outubro ottobre",
    "November": "novembre novembro noviembre",
    "December": "dezember décembre decembre dezembro diciembre dicembre",
    "Jan": "janv ene gen",
    "Feb": "févr fevr fév fev",
    "Mar": "mrz mär mrt",
    "Apr": "avr abr",
    "Jun": "giu",
    "Jul": "juil lug",
    "Aug": "ago",
    "Sep": "sept set sett",
    "Oct": "okt out ott",
    "Dec": "dez déc dic",
}
MONTHS = {name: month for month, names in _NAMES.items() for name in names.split()}
"""Months in German, Dutch, French, Portuguese, Spanish and Italian, and what strptime calls them. Where a language
calls one as English does, it stands as it is."""
_ANY_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_ENGLISH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTH = re.compile(
    rf"(?<![^\W\d_])(?:(?P<other>{_ANY_MONTH})\.?|(?P<english>{_ENGLISH})\.)(?![^\W\d_])", re.IGNORECASE
)
_IN_ENGLISH = "january|february|march|april|may|june|july|august|september|october|november|december"
_A_MONTH = re.compile(rf"(?:{_ANY_MONTH}|{_ENGLISH}|{_IN_ENGLISH})\.?", re.IGNORECASE)
_OF = re.compile(r"(?<=[\d\w]) (?:de|del|of) (?=[\d\w])", re.IGNORECASE)
_UNUSUAL = (
    rf"[{OTHER_DIGITS}]|"
    r"(?i:\d(?:st|nd|rd|th)\b)|[A-Z]{3}\)?(?:\s\d{4})?$|24:00|:\d\d,\d|^\d{4}[- ]?[QW]\d{1,2}$|^Q\d[- /]\d{4}$"
    rf"|(?i:\d[.º] ?[a-zä])|(?i:\d(?:er)?[ /-]?(?:de )?(?:(?:{_ANY_MONTH})\b|(?:{_ENGLISH})\.))"
    rf"|(?i:^(?:(?:{_ANY_MONTH})\b|(?:{_ENGLISH})\.))|\d[年년]|(?i:\d ?[ap]\.? ?m\.$)"
)
"""What a value has that may have one of these."""
# As RE2 has it, which is fast, with the digits and spaces of all scripts.
_UNUSUAL = _UNUSUAL.replace(r"\d", r"\p{Nd}").replace(r"\s", r"[\s\v\x1c-\x1f\x85\p{Z}]")


def as_usual(words: pd.Series) -> tuple[pd.Series, Any]:
    """Values without a zone's name and the th of a 4th, with 00:00 for 24:00, decimal points, months as English
    names them, and the first day of a week or a quarter; and hours to add to what they then read, None for none."""
    import pandas as pd
    import pyarrow.compute as pc

    odd = np.asarray(pc.fill_null(pc.match_substring_regex(as_text(words), _UNUSUAL), False))
    if not odd.any():
        return words, None
    hours = np.zeros(len(words))
    plain = words.to_numpy(dtype=object, copy=True)
    for place in np.flatnonzero(odd):
        word = plain_digits(str(plain[place]))
        if (zone := _ZONE.search(word)) is not None:
            word = word[: zone.start()] + word[zone.end() :]
            hours[place] -= ZONES[zone[1]] if ":" in word else 0
        word, late = _MIDNIGHT.subn("00", word)
        hours[place] += 24 * late
        word = _MONTH.sub(_english, _NOON.sub(r" \1m", word))
        word = _OF.sub(" ", _ORDINAL.sub("", _COMMA.sub(".", word)))
        plain[place] = _first_day(word) or word
    return pd.Series(plain, index=words.index, dtype="str"), hours if hours.any() else None


def is_month(word: str) -> bool:
    """Whether a word is the name of a month."""
    return _A_MONTH.fullmatch(word) is not None


def _english(month: re.Match[str]) -> str:
    return MONTHS[month["other"].lower()] if month["other"] else month["english"]


def _first_day(word: str) -> str | None:
    """The first day of 2020-W05, 2020Q1 or 2020年1月; 2020年1月31日 too."""
    if (signed := _SIGNED.match(word)) is not None:
        year, month, day = signed.groups()
        return f"{year}-{int(month):02d}-{int(day or 1):02d}{word[signed.end() :]}"
    if (week := _WEEK.fullmatch(word)) is not None:
        try:
            return datetime.fromisocalendar(int(week[1]), int(week[2]), 1).strftime("%Y-%m-%d")
        except ValueError:
            return None
    if (quarter := _QUARTER.fullmatch(word)) is None:
        return None
    return f"{quarter[1] or quarter[4]}-{3 * int(quarter[2] or quarter[3]) - 2:02d}-01"
