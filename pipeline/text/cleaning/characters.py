"""Characters that nobody sees, and characters that are written in several ways."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar, Literal

from pipeline.core.cleaning import Cleaner
from pipeline.core.registry import settings
from pipeline.text.cleaning import cleaners

# Thai, Lao, Burmese and Khmer are written without spaces: there a zero-width space is where a word ends.
_INVISIBLE = re.compile("[\xad\u200b\u2060-\u2064\ufeff](?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]\u200b)")
# Before U+0590 (Hebrew) stand the scripts whose letters never join: Latin, Greek, Cyrillic, Armenian.
_STRAY_JOINER = re.compile("[\u200c\u200d](?<![\u0590-\u1fff\u2070-\U0010ffff].)")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_SEPARATOR = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
_UNWANTED = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_MARKS = 30
_MANY_MARKS = re.compile(rf"[^\w\x00-\u02ff]{{{_MOST_MARKS}}}(?=[^\w\x00-\u02ff])")


@cleaners.register("invisible")
@settings
class Invisible(Cleaner):
    """Soft hyphens, zero-width spaces, word joiners and byte order marks to nothing.

    Kept is what carries meaning though nobody sees it: the joiner and non-joiner (U+200D, U+200C) after letters of
    scripts that join, as in Persian and Indian words, and between emoji that make one together; and the zero-width
    space of scripts that separate words by nothing else.
    direction: whether marks of the writing's direction go too; a reader may need them where Arabic or Hebrew stands
    beside Latin.
    """

    direction: bool = False
    ascii: ClassVar[bool] = False

    def clean(self, text: str) -> str:
        text = _STRAY_JOINER.sub("", _INVISIBLE.sub("", text))
        return _DIRECTION.sub("", text) if self.direction else text

    def together(self) -> bool:
        return True


@cleaners.register("control")
@settings
class Control(Cleaner):
    """Control characters to nothing, those that separate (form feed, the separators of files and fields) to a space,
    so that no two words become one. Tabs and line ends stay. Lone surrogates become U+FFFD."""

    def clean(self, text: str) -> str:
        text = _SEPARATOR.sub(" ", _CONTROL.sub("", text))
        return text if text.isascii() else _SURROGATE.sub("\ufffd", text)

    def signs(self) -> re.Pattern[str]:
        return _UNWANTED


@cleaners.register("normalization")
@settings
class Normalization(Cleaner):
    """One way of writing each character (Unicode Standard Annex 15).

    form: ``NFC`` and ``NFD`` change nothing that is seen: é is one character, or e and its accent; ``NFKC`` and
    ``NFKD`` also write ligatures, circled, raised and wide characters as plain ones (² becomes 2).
    """

    form: Literal["NFC", "NFKC", "NFD", "NFKD"] = "NFC"
    ascii: ClassVar[bool] = False

    def clean(self, text: str) -> str:
        if _MANY_MARKS.search(text) is None:
            return unicodedata.normalize(self.form, text)
        # Marks are sorted by insertion, which takes the square of their number: thirty at a time, as the Annex has
        # it, which no language needs more of.
        ends = [match.end() for match in _MANY_MARKS.finditer(text)]
        pieces = [text[begin:end] for begin, end in zip([0, *ends], [*ends, len(text)])]
        return "".join(unicodedata.normalize(self.form, piece) for piece in pieces)

    def together(self) -> bool:
        return True
