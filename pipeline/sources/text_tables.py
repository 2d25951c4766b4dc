"""CSV and TSV parsed: bytes -> columns of text and their names."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import UserError
from pipeline.core.files import shown
from pipeline.sources.archives import PACKED, unpack
from pipeline.sources.encodings import AUTO, encoding_of, to_utf8, told_of_cp1252
from pipeline.sources.preamble import preamble_of
from pipeline.sources.table_faults import Header, delimiter_of, explain, header_of, nul_byte, scan, what_it_is

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {".csv": ",", ".tsv": "\t"}
BLOCKS = 4 << 20, 16 << 20
"""Bytes parsed at once: few stay in a processor's cache, and a row may have as many as the second says."""


def parse_text(path: Path, name: str, encoding: str) -> tuple[pa.Table, list[str]]:
    """Every column as text, with the names that ``Header`` gives. Rows with nothing in any column at the end, and a
    last column without name and values, are left out: delimiters that separate nothing.

    Raises UserError as ``read_table`` does.
    """
    data, delimiter, skipped = text_of(path, name, encoding)
    columns = header_of(data, name, delimiter)
    lines, quotes = data.count(b"\n") + (not data.endswith(b"\n")), data.count(b'"')
    escapes = b"\\" in data
    buffer = arrow_buffer(data)
    del data
    table, reason = _parsed(buffer, delimiter, columns)
    if table is None and escapes:  # another dialect, which has a backslash before marks and quotes in values
        table, _ = _parsed(buffer, delimiter, columns, escape="\\")
        escapes = table is not None
    if table is None:
        explain(buffer.to_pybytes(), name, delimiter, columns, reason)
    # A lost quote runs rows together, and then only the count of lines or of quotes can tell.
    # The scan has the whole text in Python once more, so Arrow's copy goes before it.
    doubtful = quotes % 2 or (quotes and lines != table.num_rows + 1 + skipped)
    data = buffer.to_pybytes() if doubtful else b""
    if doubtful:
        try:
            scan(data, name, delimiter, columns)
        except UserError:
            table = _parsed(buffer, delimiter, columns, escape="\\")[0] if escapes else None
            if table is None or lines != table.num_rows + 1 + skipped:
                raise
    del buffer, data
    return _without_nothing(table, columns, name)


def _parsed(
    buffer: pa.Buffer, delimiter: str, columns: Header, escape: str | bool = False
) -> tuple[pa.Table | None, str]:
    """The table, or None and the reason."""
    import pyarrow as pa
    import pyarrow.csv

    reason = ""
    for block in BLOCKS:
        try:
            # Threads change the order in which faults turn up, never the values.
            table = pa.csv.read_csv(
                pa.BufferReader(buffer),
                read_options=pa.csv.ReadOptions(block_size=block),
                parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, escape_char=escape),
                convert_options=pa.csv.ConvertOptions(
                    column_types={column: pa.string() for column in columns.written},
                    null_values=[],
                    strings_can_be_null=True,
                ),
            )
            return table, ""
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            reason = str(error)
    return None, reason


def _without_nothing(table: pa.Table, columns: Header, name: str) -> tuple[pa.Table, list[str]]:
    import pyarrow.compute as pc

    names, count = list(columns.names), table.num_rows
    while count and table.num_columns > 1 and not any(column[count - 1].as_py() for column in table.columns):
        count -= 1
    table = table.slice(0, count)
    if len(names) > 1 and not columns.written[-1] and not pc.any(pc.not_equal(table.column(-1), "")).as_py():
        table, names = table.remove_column(len(names) - 1), names[:-1]
    again = pc.equal(table.column(0), columns.written[0])
    if len(names) > 1 and pc.any(again).as_py():
        for row in pc.indices_nonzero(again).to_pylist():
            if all(column[row].as_py() == word for column, word in zip(table.columns, columns.written, strict=False)):
                raise UserError(f"{name}: row {row + 2} holds the column names again; take it out")
    return table, names


def text_of(path: Path, name: str, encoding: str) -> tuple[bytes, str, int]:
    """A text table in UTF-8, its delimiter, and how many lines before its column names are blank now."""
    inner, data = unpack(path)
    usual = DELIMITERS.get(Path(inner).suffix.lower()) or DELIMITERS.get(_unpacked(path).suffix.lower())
    if usual is None:
        raise UserError(f"{name}: '{inner}' is no table to read here; use .csv, .tsv (also in .gz, .zip) or .parquet")
    if told := what_it_is(data):
        raise UserError(f"{name}: {told}")
    data = to_utf8(data, name, encoding)
    if 0 in data:
        raise UserError(nul_byte(data, name))
    before = preamble_of(data, usual)
    data = before.taken_off(data)
    delimiter = before.delimiter or delimiter_of(data, usual)
    return _levelled(data, delimiter), delimiter, len(before.lines)


def doubt_of(path: Path, encoding: str) -> str:
    """What to tell of a table whose encoding was guessed to be cp1252; '' of any other."""
    if encoding != AUTO or path.suffix.lower() == ".parquet":
        return ""
    data = unpack(path)[1]
    return told_of_cp1252(data, shown(path)) if encoding_of(data, shown(path)) == "cp1252" else ""


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in PACKED else path


def _levelled(data: bytes, delimiter: str) -> bytes:
    """With as many delimiters at the end of the column names as at those of the rows: some programs end one of the
    two with a delimiter."""
    found = [match for match in re.finditer(rb"[^\r\n]+", data[: 1 << 16]) if match[0].strip()][:3]
    if len(found) < 2:
        return data
    first, *rows = [next(csv.reader([one[0].decode("utf-8", "replace")], delimiter=delimiter), []) for one in found]
    more = {len(row) - len(first) for row in rows}
    end = found[0].end()
    if more == {1} and first[-1] and not any(row[-1] for row in rows):
        return data[:end] + delimiter.encode() + data[end:]
    if more == {-1} and len(first) > 2 and not first[-1]:
        return data[: end - 1] + data[end:]
    return data


def arrow_buffer(data: bytes) -> pa.Buffer:
    """A copy of ``data`` in memory of Arrow's own.

    Arrow's reading threads may hold a buffer a moment after the read has returned. A buffer that Python
    owns can be released only under the interpreter's lock, and where the interpreter ends in that
    moment the process aborts ("terminate called without an active exception").
    """
    import pyarrow as pa

    buffer = pa.allocate_buffer(len(data))
    memoryview(buffer).cast("B")[:] = data
    return buffer
