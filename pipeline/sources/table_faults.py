"""What is wrong with a text table, said in one line with file, line, column and rule.

The fast reader says little of where it stopped. Here a table is gone through again with the csv
module, slowly, and only to find the words.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pipeline.core.errors import UserError

LONGEST_VALUE = 1 << 30
LINE = 1 << 16
"""Bytes in which the first two lines are looked for."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Header:
    """Column names as ``written``, and the ``names`` given to them (pandas' for an empty one)."""

    written: tuple[str, ...]
    names: tuple[str, ...]


def delimiter_of(data: bytes, usual: str) -> str:
    """What separates the columns of a UTF-8 table: the usual mark of its ending, or another that its first line
    has, where that has none."""
    begin = data.lstrip(b"\r\n")[:LINE]
    lines = [line.decode("utf-8", "replace") for line in re.split(rb"[\r\n]+", begin, maxsplit=2)[:2]]
    counts = {mark: [len(next(csv.reader([line], delimiter=mark), [])) for line in lines] for mark in DELIMITERS}

    def fit(mark: str) -> tuple[bool, bool, int]:
        """A mark that both lines have as often is the one: a name may hold another."""
        first = counts[mark][0]
        return first > 1 and counts[mark] == [first] * len(lines), mark == usual and first > 1, first

    best = max(DELIMITERS, key=fit)
    return best if counts[best][0] > 1 else usual


def header_of(data: bytes, name: str, delimiter: str) -> Header:
    """The column names of a UTF-8 table; raises UserError when it has none or one stands twice."""
    try:
        first = next(_rows(data, delimiter), None)
    except csv.Error as error:
        explain(data, name, delimiter, None, str(error))
    if first is None:
        raise UserError(f"{name}: the file is empty; it needs a line of column names and rows below it")
    line, written = first
    if any("\udc80" <= letter <= "\udcff" for letter in "".join(written)):
        explain(data, name, delimiter, None, "wrong encoding")
    for position, column in enumerate(written):
        if column and column in written[:position]:
            raise UserError(
                f"{name} line {line}: the column name '{column}' stands twice "
                f"(columns {written.index(column) + 1} and {position + 1}); each column needs its own name"
            )
    names = tuple(column or f"Unnamed: {position}" for position, column in enumerate(written))
    return Header(tuple(written), names)


def explain(data: bytes, name: str, delimiter: str, header: Header | None, reason: str) -> NoReturn:
    """Raise the UserError for a table that the fast reader refused for ``reason``."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UserError(_wrong_encoding(data, name, delimiter, header, error)) from None
    if scan(data, name, delimiter, header) < 2:
        raise UserError(no_rows(name))
    raise UserError(f"{name}: cannot be read as a table ({' '.join(reason.split())[:200]}); save it again as CSV")


def scan(data: bytes, name: str, delimiter: str, header: Header | None) -> int:
    """Go through every row, count them (the names' too), and raise UserError at the first that is
    ragged or badly quoted."""
    count = 0
    try:
        for line, row in _rows(data, delimiter):
            count += 1
            if header is not None and len(row) != len(header.names):
                raise UserError(_ragged(name, line, row, header))
    except csv.Error as error:
        if "end of data" in str(error):
            rule = "a quote is opened and never closed; close it, or double it to mean a quote"
        else:
            rule = f"badly quoted ({error}); a quote within a quoted value is written twice"
        raise UserError(f"{name} line {getattr(error, 'line', 1)}: {rule}") from None
    return count


def no_rows(name: str) -> str:
    return f"{name}: has column names and no rows; a table needs at least one row"


def nul_byte(data: bytes, name: str) -> str:
    if data[:2] in UTF_16:
        return f"{name}: is UTF-16 and was read as UTF-8; set the source's encoding to utf-16"
    line = data.count(b"\n", 0, data.index(0)) + 1
    return f"{name} line {line}: holds a NUL byte; the file is not text or is damaged, save it again"


def _ragged(name: str, line: int, row: list[str], header: Header) -> str:
    wanted, got = len(header.names), len(row)
    if got < wanted:
        where = f"column '{header.names[got]}' and what follows is not there"
    else:
        where = f"nothing is named after column '{header.names[-1]}', and here follows {row[wanted][:40]!r}"
    return (
        f"{name} line {line}: {got} values where there are {wanted} columns ({where}); "
        "add what is missing, or quote values that hold the delimiter"
    )


def _wrong_encoding(data: bytes, name: str, delimiter: str, header: Header | None, error: UnicodeDecodeError) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    begin = data.rfind(b"\n", 0, error.start) + 1
    before = next(_rows(data[begin : error.start], delimiter), (0, [""]))[1]
    column = f" column '{header.names[len(before) - 1]}'" if header and 0 < len(before) <= len(header.names) else ""
    return (
        f"{name} line {line}{column}: byte 0x{data[error.start]:02x} is not valid UTF-8; "
        "set the source's encoding (old files are often cp1252) or save the file as UTF-8"
    )


def _rows(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line it begins on, values) of each row that is not blank. A csv.Error gets that ``line``."""
    stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape", newline="")
    before = csv.field_size_limit(LONGEST_VALUE)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    begins = 1
    try:
        while True:
            try:
                row = next(reader)
            except csv.Error as error:
                error.line = begins  # type: ignore[attr-defined]
                raise
            except StopIteration:
                return
            if row:
                yield begins, row
            begins = reader.line_num + 1
    finally:
        csv.field_size_limit(before)
