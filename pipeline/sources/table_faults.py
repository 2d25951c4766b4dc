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

from pipeline.core.errors import UserError, reason_of

LONGEST_VALUE = 1 << 30
LINE = 1 << 16
"""Bytes in which the first two lines are looked for."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Header:
    """Column names as ``written``, and the ``names`` given to them: without outer spaces, pandas' for an empty one."""

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
    if len(written) == 1 and (words := _separated_by_spaces(data)):
        raise UserError(
            f"{name}: its {words} columns are separated by spaces; separate them by commas: "
            "pandas.read_csv(..., sep=r'\\s+').to_csv(..., index=False)"
        )
    plain = [column.strip() for column in written]
    stripped = plain if len(set(plain)) == len(plain) else written
    names = tuple(column or f"Unnamed: {position}" for position, column in enumerate(stripped))
    return Header(tuple(written), names)


def _separated_by_spaces(data: bytes) -> int:
    """How many columns a table has whose first lines have as many words each, and three at least; 0 for none."""
    lines = [line.split() for line in data[:LINE].splitlines()[:10] if line.strip()]
    counts = {len(line) for line in lines}
    return counts.pop() if len(lines) > 2 and len(counts) == 1 and len(lines[0]) > 2 else 0


def explain(data: bytes, name: str, delimiter: str, header: Header | None, reason: str) -> NoReturn:
    """Raise the UserError for a table that the fast reader refused for ``reason``."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UserError(_wrong_encoding(data, name, delimiter, header, error)) from None
    if scan(data, name, delimiter, header) < 2:
        raise UserError(no_rows(name))
    raise UserError(f"{name}: cannot be read as a table ({reason_of(reason, 200)}); save it again as CSV")


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


_PAGE = (b"<!doctype html", b"<html")
_KINDS = {
    b"PAR1": "is parquet; name it .parquet",
    b"version https://git-lfs": "is a Git LFS pointer, not the data; run `git lfs pull`",
    b"%PDF": "is a PDF; a table is CSV, TSV or parquet",
    b"\xd0\xcf\x11\xe0": "is a workbook; save each sheet as CSV",
    b"ARROW1": "is Arrow's (feather); pandas.read_feather(...).to_parquet(...) makes a table of it",
    b'{"': "is JSON; pandas.read_json(..., lines=True).to_parquet(...) makes a table of it",
    b"[{": "is JSON; pandas.read_json(...).to_parquet(...) makes a table of it",
}


def what_it_is(data: bytes) -> str:
    """What a file that is no text table is, and what to do; '' where its first bytes say nothing."""
    if data[:200].lstrip().lower().startswith(_PAGE):
        return "is a web page, as a download without logging in gives; download it again"
    return next((told for mark, told in _KINDS.items() if data.startswith(mark)), "")


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
