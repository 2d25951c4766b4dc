"""What stands before the column names of a text table: comments, and ``sep=;`` that tells Excel the delimiter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.sources.table_faults import LINE, delimiter_of

_SEPARATOR = re.compile(rb'"?sep=([,;|\t]|\\t)"?', re.IGNORECASE)
_NUMBER = re.compile(rb'"?[-+]?[\d.]+"?')


@dataclass(frozen=True)
class Preamble:
    """lines: as they stand. end: where the column names begin. delimiter: what ``sep=`` says, None without it."""

    lines: tuple[str, ...] = ()
    end: int = 0
    delimiter: str | None = None

    def taken_off(self, data: bytes) -> bytes:
        """Blank lines in its place, so that the others keep their number."""
        return b"\n" * len(re.findall(rb"\r\n|\n|\r", data[: self.end])) + data[self.end :] if self.end else data

    def __str__(self) -> str:
        shown = [line if len(line) <= 40 else f"{line[:39]}…" for line in self.lines]
        return ", ".join(map(repr, shown[:3])) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def preamble_of(data: bytes, usual: str) -> Preamble:
    """What to pass over at the beginning of a UTF-8 table. usual: the delimiter of its ending.

    A line that begins with ``#`` may be that of the column names: it is a comment where it has not as many values as
    the lines behind it, or is followed by a line of words alone above one with numbers.
    """
    lines = [match for match in re.finditer(rb"([^\r\n]+)(?:\r\n|\n|\r|$)", data[:LINE]) if match[1].strip()]
    said = _SEPARATOR.fullmatch(lines[0][1].strip(b" \r\n")) if lines else None
    first = int(said is not None)
    rest = next((place for place in range(first, len(lines)) if not lines[place][1].startswith(b"#")), len(lines))
    if first == rest == 0 or rest == len(lines):
        return Preamble()
    delimiter = said[1].decode().replace("\\t", "\t") if said is not None else None
    mark = (delimiter or delimiter_of(data[lines[rest].start() :], usual)).encode()
    if rest > first and not _is_comment(*(line[1] for line in lines[rest - 1 : rest + 2]), mark=mark):
        rest -= 1
    passed = tuple(line[1].decode("utf-8", "replace").strip() for line in lines[:rest])
    return Preamble(passed, lines[rest].start() if rest else 0, delimiter)


def _is_comment(line: bytes, names: bytes, row: bytes = b"", *, mark: bytes) -> bool:
    if line.count(mark) != names.count(mark):
        return True
    numbers = [[bool(_NUMBER.fullmatch(value.strip())) for value in one.split(mark)] for one in (names, row)]
    return line.startswith(b"# ") and not any(numbers[0]) and any(numbers[1])
