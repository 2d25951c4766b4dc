"""What people and programs write for a missing value among numbers, dates or truths.

Not read as missing where a column holds words: there ``unknown`` or ``None`` is a level like another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_SIGNS = (". .. ... - -- --- ---- * ** *** ? ?? ??? / \\ _ #", "x xx xxx : – — … (x) (d) (na)")
_PROGRAMS = (
    "na n.a. n/a n.a n/d n.d. nd #n/a #na <na> (na) [na] #n/a! null (null) <null> [null] nil void \\n",
    "#nv #n/d #valeur! #wert! #¡valor! k.a. k.a s/d nr notavailable -nan(ind) nan(snan) nan(ind) 'na'",
    "nan -nan +nan <nan> 1.#qnan -1.#qnan 1.#ind -1.#ind 1.#snan nat <nat> undefined undef",
    "#div/0! #value! #ref! #num! #name? #null! #error! error err",
)
_WORDS = ("none <none> (none) unknown unk missing (missing) (unknown) empty blank (blank) (empty) tbd tba tbc",)
_DAYS = ("0000-00-00 00/00/0000 00-00-0000 00.00.0000",)
_ABROAD = ("keine angabe", "k. a.", "sin datos", "sin dato", "non disponible", "non renseigné")
_SEVERAL = (
    "not available,not applicable,no data,no value,not known,not given,not specified,not reported,not measured,"
    "not a number,not recorded,0000-00-00 00:00:00"
)

MARKS = frozenset(" ".join((*_SIGNS, *_PROGRAMS, *_WORDS, *_DAYS)).split()) | {
    "",
    *_SEVERAL.split(","),
    *_ABROAD,
}
"""In lower case, without outer spaces."""

INFINITE = frozenset(
    sign + word for sign in ("", "+", "-") for word in ("inf", "infinity", "∞", "1.#inf", "1.#inf00", "1.#infinity")
)
"""What programs write where a number has no end, mostly after a division by zero: missing too among features."""


def marks_among(words: pd.Series) -> tuple[str, ...]:
    """The marks, as written, that stand in a column of text, in order."""
    distinct = words.dropna().drop_duplicates()
    if len(distinct) > 0 and not (found := distinct[distinct.str.strip().str.lower().isin(MARKS | INFINITE)]).empty:
        return tuple(sorted({str(word).strip() for word in found}))
    return ()


def missing_labels(labels: pd.Series, missing: Sequence[str]) -> tuple[str, ...]:
    """Of ``missing``, what means a missing label of a class: a word such as ``NA`` is a label among words (continents,
    countries), since training rows need one anyway; among numbers it is none.

    labels: text, to the character.
    """
    distinct = labels.dropna().drop_duplicates().str.strip()
    words = [mark for mark in missing if mark.isalpha()]
    others = distinct[~distinct.isin(list(missing))]
    if words and len(others) > 1 and others.str.fullmatch(r".*[^\W\d_].*").all():
        return tuple(mark for mark in missing if mark not in words)
    return tuple(missing)
