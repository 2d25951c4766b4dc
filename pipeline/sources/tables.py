"""Tables read by one rule and written whole: CSV, TSV (also in gz and zip) and parquet.

The rule for text files: only the strings in ``missing`` are missing. A column whose every other
value is exactly how a whole number is written is int64; one of decimal numbers is float64;
anything else is text, unchanged (``007`` is a code, ``True`` a word, dates stay as written).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import UserError
from pipeline.core.files import shown, whole_file
from pipeline.sources.archives import unpack
from pipeline.sources.encodings import to_utf8
from pipeline.sources.preamble import preamble_of
from pipeline.sources.table_faults import delimiter_of, explain, header_of, no_rows, nul_byte, scan

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".tsv", ".tsv.gz", ".tsv.zip", ".parquet", ".zip")
BLOCK = 16 << 20
EXACT = 2**53
"""Whole numbers up to this survive a float64."""


def find_table(folder: Path, stem: str) -> Path | None:
    """``folder/stem`` with the first of ``SUFFIXES`` that is there; where there is none, in any case of letters."""
    for suffix in SUFFIXES:
        if (path := folder / f"{stem}{suffix}").is_file():
            return path
    files = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
    there = {path.name.casefold(): path for path in files if path.is_file()}
    named = [f"{stem}{suffix}".casefold() for suffix in SUFFIXES]
    return next((there[name] for name in named if name in there), None)


def read_table(
    path: Path,
    *,
    missing: Sequence[str] = ("", "NA"),
    text: Sequence[str | None] = (),
    only: Sequence[str] | None = None,
    encoding: str = "utf-8",
    name: str | None = None,
) -> pd.DataFrame:
    """Read a table whole. name: what messages call it, where the path would tell a reader nothing.

    Returns columns of dtype int64, float64 (also whole numbers with some missing) and ``str``.
    A column with nothing but missing values is float64. Parquet follows the same rule: booleans,
    dates and categories become text, and nulls are missing as well as the strings in ``missing``.
    text: columns, where there are such, that are ``str`` to the character; only nothing is missing in them.
    only: columns to give, all unless said.

    Raises UserError naming file, line (of the file, where the row begins), column and rule: no such
    file, nothing in it, no rows, wrong encoding, a row too long or too short, a column name that
    stands twice, NUL bytes, a quote never closed.
    """
    path = Path(path)
    name = name or shown(path)
    if not path.is_file():
        raise UserError(f"{name}: no such file; check the source's path, or run `dvc repro` if it should be made")
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, name, missing, text, only)
    return _read_text(path, name, missing, text, only, encoding)


def _read_text(
    path: Path,
    name: str,
    missing: Sequence[str],
    text: Sequence[str | None],
    only: Sequence[str] | None,
    encoding: str,
) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.csv

    data, delimiter, skipped = _text_of(path, name, encoding)
    columns = header_of(data, name, delimiter)
    lines, quotes = data.count(b"\n") + (not data.endswith(b"\n")), data.count(b'"')
    buffer = arrow_buffer(data)
    del data
    try:
        # Threads change the order in which faults turn up, never the values.
        table = pa.csv.read_csv(
            pa.BufferReader(buffer),
            read_options=pa.csv.ReadOptions(block_size=BLOCK),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types={column: pa.string() for column in columns.written},
                null_values=[],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        explain(buffer.to_pybytes(), name, delimiter, columns, str(error))
    # A lost quote runs rows together, and then only the count of lines or of quotes can tell.
    # The scan has the whole text in Python once more, so Arrow's copy goes before it.
    doubtful = quotes % 2 or (quotes and lines != table.num_rows + 1 + skipped)
    data = buffer.to_pybytes() if doubtful else b""
    del buffer
    if doubtful:
        scan(data, name, delimiter, columns)
        del data
    if table.num_rows == 0:
        raise UserError(no_rows(name))
    return _to_pandas(table, columns.names, name, missing, text, only, written=True)


def _text_of(path: Path, name: str, encoding: str) -> tuple[bytes, str, int]:
    """A text table in UTF-8, its delimiter, and how many lines before its column names are blank now."""
    inner, data = unpack(path) if path.suffix.lower() in (".gz", ".zip") else (path.name, path.read_bytes())
    usual = DELIMITERS.get(Path(inner).suffix.lower())
    if usual is None:
        raise UserError(f"{name}: '{inner}' is no table to read here; use .csv, .tsv (also in .gz, .zip) or .parquet")
    data = to_utf8(data, name, encoding)
    if 0 in data:
        raise UserError(nul_byte(data, name))
    before = preamble_of(data, usual)
    data = before.taken_off(data)
    return data, before.delimiter or delimiter_of(data, usual), len(before.lines)


def delimiter_of_table(path: Path, encoding: str = "utf-8") -> str:
    """What separates the columns of a table; a comma for parquet, which has no such."""
    return "," if path.suffix.lower() == ".parquet" else _text_of(path, shown(path), encoding)[1]


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


def _read_parquet(
    path: Path, name: str, missing: Sequence[str], text: Sequence[str | None], only: Sequence[str] | None
) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{name}: not a whole parquet file ({' '.join(str(error).split())}); write it again") from None
    names = table.column_names
    if doubled := [column for column in names if names.count(column) > 1]:
        raise UserError(f"{name}: the column name '{doubled[0]}' stands twice; each column needs its own name")
    if table.num_rows == 0:
        raise UserError(no_rows(name))
    return _to_pandas(table, [str(column) for column in names], name, missing, text, only, written=False)


def _to_pandas(
    table: pa.Table,
    names: Sequence[str],
    name: str,
    missing: Sequence[str],
    text: Sequence[str | None],
    only: Sequence[str] | None,
    *,
    written: bool,
) -> pd.DataFrame:
    """written: whether the columns are the text of a file, in which numbers have yet to be found."""
    import pandas as pd

    columns = table.columns
    del table
    typed = {}
    for column in reversed(names):  # from the end, so that each Arrow column is freed once it is typed
        values, where = columns.pop(), f"{name} column '{column}'"
        if only is not None and column not in only:
            continue
        found = _text(values, where, ("",)) if column in text else _typed(values, where, missing, written)
        del values
        typed[column] = found.to_pandas()
        if column in text:
            typed[column] = typed[column].astype("str")  # also where all are missing
    return pd.DataFrame({column: typed[column] for column in names if column in typed}, copy=False)


def _typed(values: pa.ChunkedArray, where: str, missing: Sequence[str], written: bool) -> pa.ChunkedArray:
    """One column as int64, float64 or string."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_integer(kind):
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid:  # beyond int64, as some ids are: a float64 would round them
            return values.cast(pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return values.cast(pa.float64())
    if pa.types.is_boolean(kind):
        return pc.if_else(values, "True", "False")
    text = _text(values, where, () if pa.types.is_temporal(kind) else missing)
    if text.null_count == len(text):
        return text.cast(pa.float64())
    return _number(text) if written else text


def _text(values: pa.ChunkedArray, where: str, missing: Sequence[str]) -> pa.ChunkedArray:
    """One column as text, null where it holds one of ``missing``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        text = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        rule = f"holds {values.type}; a column holds numbers, texts, booleans or dates"
        raise UserError(f"{where}: {rule}") from None
    if missing:
        text = pc.if_else(pc.is_in(text, pa.array(missing, pa.string())), None, text)
    return text


def _number(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as int64 or float64 where that loses nothing, else as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed, decimal = text, _cast(text, pa.float64())
    if decimal is None and _any(pc.match_substring_regex(text, r"^ | $")):
        trimmed = pc.ascii_trim(text, " ")
        decimal = _cast(trimmed, pa.float64())
    if decimal is None or _any(pc.is_nan(decimal)):
        return text
    whole = _cast(trimmed, pa.int64())
    if whole is not None:
        as_written = not _any(pc.not_equal(whole.cast(pa.string()), trimmed))
        exact = not whole.null_count or not _any(pc.greater(pc.abs(decimal), EXACT))
        return whole if as_written and exact else text
    code = _any(pc.match_substring_regex(trimmed, r"^([+]|-?0[0-9])"))
    # Whole, and yet over int64: an identifier that a float64 would round.
    identifier = _any(pc.greater(pc.abs(decimal), 2.0**62)) and not _any(pc.match_substring_regex(trimmed, "[.eEi]"))
    return text if code or identifier else decimal


def _cast(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    import pyarrow as pa

    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        return None


def _any(mask: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(mask).as_py())


def write_table(frame: pd.DataFrame, path: Path, *, missing: str = "") -> None:
    """Write a table by its suffix (.csv, .tsv, .parquet), whole or not at all.

    missing: what stands for a missing value in a text file. Lines end in LF, text is UTF-8,
    and floats keep every digit.
    """
    path = Path(path)
    if path.suffix not in (*DELIMITERS, ".parquet"):
        raise UserError(f"{shown(path)}: a table is written as .csv, .tsv or .parquet, got '{path.suffix}'")
    with whole_file(path) as aside:
        if path.suffix == ".parquet":
            frame.to_parquet(aside, index=False)
            return
        # The csv module leaves a lone CR unquoted, and a reader would end the row there.
        texts: list[str] = list(frame.select_dtypes("str"))
        returns = any(frame[column].str.contains("\r").any() for column in texts)
        quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
        delimiter = DELIMITERS[path.suffix]
        frame.to_csv(aside, index=False, sep=delimiter, na_rep=missing, quoting=quoting, lineterminator="\n")  # type: ignore[call-overload]
