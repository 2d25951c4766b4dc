"""Digits, signs and spaces of other scripts and of typographers as ASCII has them, to read numbers and dates by.

Texts and categories keep what was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_ZEROS = (
    "٠۰०০੦૦௦౦೦൦๐໐༠၀០᠐０"  # Arabic, Persian, ten of India's, Thai, Lao, Tibetan, Burmese, Khmer, Mongolian, full width
)
OTHER_DIGITS = "".join(f"{zero}-{chr(ord(zero) + 9)}" for zero in _ZEROS)
"""Of a character class, as Python and RE2 have it."""
_DIGITS = {chr(ord(zero) + i): str(i) for zero in _ZEROS for i in range(10)}
_FULL_WIDTH = {chr(ord(sign) + 0xFEE0): sign for sign in "+-.,%$~<>/:()'\""}
_MARKS = {"٫": ".", "٬": ",", "٪": "%", "\u2212": "-", "’": "'", "′": "'", "″": '"', "”": '"', "“": '"'}
_APPROXIMATE = dict.fromkeys("≈∼≃≅", "~")
_SPACES = dict.fromkeys("\xa0\u202f\u2009\u2007\u3000", " ")
_SIGNS = "".join([*_FULL_WIDTH, *_MARKS, *_APPROXIMATE, *_SPACES])
_ODD = f"[{OTHER_DIGITS}{_SIGNS}]"
_PLAIN = str.maketrans({**_DIGITS, **_FULL_WIDTH, **_MARKS, **_APPROXIMATE, **_SPACES})
_MARKED_AS_TEXT = r"""^(?:'([-+.,\d].*)|="([^"]*)")$"""
"""How spreadsheets mark a number as text: '5 and ="5"."""


def plain_digits(word: str) -> str:
    return word.translate(_PLAIN)


def plain_text(words: pd.Series | pd.Index) -> pa.Array:
    """Text without outer spaces and spreadsheets' marks of text; digits, signs and spaces as ASCII has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = as_text(words)
    if not pc.all(pc.string_is_ascii(text)).as_py():
        odd = pc.fill_null(pc.match_substring_regex(text, _ODD), False)
        if pc.any(odd).as_py():
            plain = pa.array(map(plain_digits, text.filter(odd).to_pylist()), pa.string())
            text = pc.replace_with_mask(text, odd, plain)
    text = pc.utf8_trim_whitespace(text)
    if pc.any(pc.match_substring_regex(text, _MARKED_AS_TEXT)).as_py():
        text = pc.replace_substring_regex(text, _MARKED_AS_TEXT, r"\1\2")
    return text


def other_digits(words: pd.Series) -> str:
    """The first value that holds digits of another script, '' where there is none."""
    import pyarrow.compute as pc

    text = as_text(words)
    if pc.all(pc.string_is_ascii(text)).as_py() in (True, None):
        return ""
    found = text.filter(pc.fill_null(pc.match_substring_regex(text, f"[{OTHER_DIGITS}]"), False))
    return str(found[0]) if len(found) else ""


def as_text(words: pd.Series | pd.Index) -> pa.Array:
    """A column of text as Arrow has it, in one piece."""
    import pyarrow as pa

    text = pa.array(words, pa.string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
