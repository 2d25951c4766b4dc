"""White space and line ends."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from pipeline.core.cleaning import SEPARATOR, Cleaner
from pipeline.core.registry import settings
from pipeline.text.cleaning import cleaners

_ODD_SPACE = re.compile(r"[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_ODD_LINE_END = re.compile(r"[\r\x0b\x0c\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINE = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_AT_AN_END = rf"\s{SEPARATOR[0]}|\A\s|\s\Z"
_UNEVEN = re.compile(rf"[^\S\n ]|  | \n|\n[ \n]|{_AT_AN_END}")
LONG = 10_000
"""Characters from which on it is faster to look at all bytes of a text together."""
_UNEVEN_LINE = re.compile(rf"[^\S ]|  |{_AT_AN_END}")


@cleaners.register("spaces")
@settings
class Spaces(Cleaner):
    """No-break, thin, ideographic and all other odd spaces to a plain one, one for one (Unicode's category Zs)."""

    ascii: ClassVar[bool] = False

    def clean(self, text: str) -> str:
        return _ODD_SPACE.sub(" ", text)

    def together(self) -> bool:
        return True

    def signs(self) -> re.Pattern[str]:
        return _ODD_SPACE


@cleaners.register("line_ends")
@settings
class LineEnds(Cleaner):
    r"""Every kind of line end to ``\n``: that of Windows and of old Macs, form feeds, Unicode's own."""

    def clean(self, text: str) -> str:
        return _LINE_END.sub("\n", text)

    def together(self) -> bool:
        return True

    def signs(self) -> re.Pattern[str]:
        return _ODD_LINE_END


@cleaners.register("whitespace")
@settings
class Whitespace(Cleaner):
    """Runs of white space to one space, none at the ends.

    lines: whether line ends stay; then a run of blanks within a line becomes one space, none stands at either end of a
    line, and of several empty lines one is left.
    """

    lines: bool = True

    def clean(self, text: str) -> str:
        if not self.lines:
            return " ".join(text.split())
        return _EMPTY_LINES.sub("\n\n", _LINE.sub("\n", _BLANKS.sub(" ", text))).strip()

    def signs(self) -> re.Pattern[str]:
        return _UNEVEN if self.lines else _UNEVEN_LINE


@cleaners.register("spaced_punctuation")
@settings
class SpacedPunctuation(Cleaner):
    """A space before each punctuation mark that has none, where a text begins with one apart; with ``spaces`` and
    ``case`` before it this is ``preprocess_nmt`` of D2L 10.5.

    marks: the characters that count as punctuation.
    """

    marks: str = Field(default=",.!?", min_length=1)

    def clean(self, text: str) -> str:
        if " " in self.marks:
            return re.sub(f"(?<=[^ ])(?=[{re.escape(self.marks)}])", " ", text)
        if len(text) >= LONG and self.marks.isascii():
            return self._of_bytes(text)
        for mark in dict.fromkeys(self.marks):  # a tenth of what the expression takes
            first = text.startswith(mark)
            text = text.replace(f" {mark}", mark).replace(mark, f" {mark}")[first:]
        return text

    def _of_bytes(self, text: str) -> str:
        """The same for a long text: cut before each such mark, and joined by spaces."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        data, marks = text.encode("utf-8", "surrogatepass"), self.marks.encode()
        is_mark = np.frombuffer(data.translate(bytes(byte in marks for byte in range(256))), bool)  # [bytes]
        is_space = np.frombuffer(data, np.uint8) == ord(" ")
        cuts = np.flatnonzero(is_mark[1:] & ~is_space[:-1]) + 1
        places = pa.py_buffer(np.concatenate([[0], cuts, [len(data)]]))
        parts = pa.Array.from_buffers(pa.large_binary(), len(cuts) + 1, [None, places, pa.py_buffer(data)])
        whole = pa.LargeListArray.from_arrays(pa.array([0, len(parts)], pa.int64()), parts)
        joined = pc.binary_join(whole, pa.scalar(b" ", pa.large_binary()))[0].as_py()
        return joined.decode("utf-8", "surrogatepass")

    def together(self) -> bool:
        return not set(SEPARATOR) & set(self.marks)
