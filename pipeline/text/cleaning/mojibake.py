"""UTF-8 that somebody read as something else."""

from __future__ import annotations

import re
from functools import cache
from typing import ClassVar

from pipeline.core.cleaning import Cleaner
from pipeline.core.registry import settings
from pipeline.text.cleaning import cleaners

_THROUGH_A_MAC = re.compile("[\x89‰]Û(.)|åÊ")


@cleaners.register("mojibake")
@settings
class Mojibake(Cleaner):
    """Text that was decoded by a wrong encoding to what it was (``ftfy``): 'cafÃ©' to 'café'.

    Quotes, dashes and no-break spaces that went through Windows and a Mac and lie in tables as '‰Ûª' or 'åÊ' are read
    again too, which ``ftfy`` does not know. It stands before steps that change spaces and controls, part of what is
    to be read.
    """

    ascii: ClassVar[bool] = False

    def clean(self, text: str) -> str:
        from ftfy import fix_encoding, is_bad

        text = _THROUGH_A_MAC.sub(_read_again, text)
        return fix_encoding(text) if is_bad(text) else text  # it asks the same, more slowly

    def signs(self) -> re.Pattern[str]:
        return _bad()


@cache
def _bad() -> re.Pattern[str]:
    """What ``ftfy`` and the way through a Mac know a text by, wherever in it; imported where texts are cleaned."""
    from ftfy.badness import BADNESS_RE

    # One of its signs is one at a text's beginning alone.
    return re.compile(rf"{BADNESS_RE.pattern}|[ÃÂ][ ]|{_THROUGH_A_MAC.pattern}", BADNESS_RE.flags)


def _read_again(found: re.Match[str]) -> str:
    """A character whose UTF-8 was read as Windows-1252, written as Mac Roman, and read as Windows-1252 again: the
    no-break space, or a punctuation mark (0xE2 0x80 and a third byte). The third byte of an ellipsis is in no Mac's
    table, and came out as '_'; that of a closing quote is in no table, and stayed as it was."""
    import ftfy.bad_codecs  # noqa: F401  (registers the next one)

    if found[1] is None:
        return "\xa0"
    windows = "sloppy-windows-1252"
    if found[1] in "_\x9d":
        return "…" if found[1] == "_" else "”"
    try:
        return (b"\xe2\x80" + found[1].encode(windows).decode("mac_roman").encode(windows)).decode("utf-8")
    except UnicodeError:
        return found.group()
