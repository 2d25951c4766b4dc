"""Tables read by one rule and written whole: CSV, TSV (also in gz, zip, bz2 and xz) and parquet.

The rule for text files: only the strings in ``missing`` are missing. A column whose every other
value is exactly how a whole number is written is int64; one of decimal numbers is float64;
anything else is text, unchanged (``007`` is a code, ``True`` a word, dates stay as written).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError
from pipeline.core.files import shown, whole_file
from pipeline.sources.archives import PACKED
from pipeline.sources.table_faults import no_rows
from pipeline.sources.text_tables import DELIMITERS, parse_text, text_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUFFIXES = (*(text + packed for text in DELIMITERS for packed in ("", *PACKED)), ".parquet", ".zip")
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
    written = path.suffix.lower() != ".parquet"
    if not written and (large := _by_column(path, name, missing, text, only)) is not None:
        return large
    table, names = parse_text(path, name, encoding) if written else _parse_parquet(path, name)
    if table.num_rows == 0:
        raise UserError(no_rows(name))
    return to_frame(table, names, name, missing, text, only, written=written)


def delimiter_of_table(path: Path, encoding: str = "utf-8") -> str:
    """What separates the columns of a table; a comma for parquet, which has no such."""
    return "," if path.suffix.lower() == ".parquet" else text_of(path, shown(path), encoding)[1]


def _parse_parquet(path: Path, name: str) -> tuple[pa.Table, list[str]]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = _with_named_index(pa.parquet.read_table(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{name}: not a whole parquet file ({' '.join(str(error).split())}); write it again") from None
    names = [str(column) for column in table.column_names]
    if doubled := [column for column in names if names.count(column) > 1]:
        raise UserError(f"{name}: the column name '{doubled[0]}' stands twice; each column needs its own name")
    return table, names


def _by_column(
    path: Path, name: str, missing: Sequence[str], text: Sequence[str | None], only: Sequence[str] | None
) -> pd.DataFrame | None:
    """A large parquet file, one column in memory at a time; None where it is a small one, or needs to be read whole."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet

    from pipeline.core.memory import give_memory_back
    from pipeline.core.paged import is_large, paged

    try:
        file = pa.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError):
        return None
    with file:
        names = file.schema_arrow.names
        rows, indices = file.metadata.num_rows, (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
        named = any(isinstance(index, dict) and index.get("name") is not None for index in indices)
        if not is_large(rows, len(names)) or named or len(set(names)) < len(names):
            return None
        typed: dict[str, Any] = {}
        for column in names if only is None else [one for one in names if one in only]:
            try:
                table = file.read(columns=[column])
            except (pa.ArrowInvalid, OSError) as error:
                reason = " ".join(str(error).split())
                raise UserError(f"{name}: not a whole parquet file ({reason}); write it again") from None
            typed[column] = paged(to_frame(table, [column], name, missing, text, None, written=False)[column])
            del table
            give_memory_back()
    return pd.DataFrame(typed, copy=False)


def _with_named_index(table: pa.Table) -> pa.Table:
    """With the index that pandas wrote as a range, in the file's metadata alone, as a column where it has a name."""
    import pyarrow as pa

    for index in (table.schema.pandas_metadata or {}).get("index_columns", []):
        if isinstance(index, dict) and index.get("name") is not None and index["name"] not in table.column_names:
            values = pa.array(range(index["start"], index["stop"], index["step"]))
            if len(values) == table.num_rows:
                table = table.add_column(0, str(index["name"]), values)
    return table


def to_frame(
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

    from pipeline.core.memory import give_memory_back

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
        give_memory_back()
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
        _no_utf8(values, where)
        rule = f"holds {values.type}; a column holds numbers, texts, booleans or dates"
        raise UserError(f"{where}: {rule}; make columns of its parts, or take it out") from None
    try:
        text.validate(full=True)  # parquet's texts are taken as they lie, and pandas fails at what is no UTF-8
    except pa.ArrowInvalid:
        _no_utf8(values, where)
        raise
    if missing and _any(absent := pc.is_in(text, pa.array(missing, pa.string()))):
        text = pc.if_else(absent, None, text)
    return text


def _no_utf8(values: pa.ChunkedArray, where: str) -> None:
    """Raise the UserError for the first text that is no UTF-8; nothing where all are, or where these are no texts."""
    import pyarrow as pa

    try:
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        given = values.cast(kind).cast(pa.large_binary())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return
    for row, value in enumerate(given, 1):
        try:
            (value.as_py() or b"").decode()
        except UnicodeDecodeError as error:
            rule = f"byte 0x{error.object[error.start]:02x} is not valid UTF-8, in {error.object[:40]!r}"
            raise UserError(f"{where}, row {row} of {len(given)}: {rule}; mend it and write the file again") from None


def _number(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as int64 or float64 where that loses nothing, else as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed, decimal = text, _cast(text, pa.float64())
    if decimal is None and _any(pc.or_(pc.starts_with(text, " "), pc.ends_with(text, " "))):
        trimmed = pc.ascii_trim(text, " ")
        decimal = _cast(trimmed, pa.float64())
    if decimal is None or _any(pc.is_nan(decimal)):
        return text
    whole = _cast(trimmed, pa.int64())
    if whole is not None:
        as_written = not _any(pc.not_equal(whole.cast(pa.string()), trimmed))
        exact = not whole.null_count or not _any(pc.greater(pc.abs(decimal), EXACT))
        return whole if as_written and exact else text
    # Whole, and yet over int64: an identifier that a float64 would round.
    ends = pc.min_max(decimal).as_py()
    identifier = max(-ends["min"], ends["max"]) > 2.0**62 and not _any(pc.match_substring_regex(trimmed, "[.eEi]"))
    return text if identifier or _has_codes(trimmed) else decimal


def _has_codes(numbers: pa.ChunkedArray) -> bool:
    """Whether any begins with a plus sign, or with a zero that another digit follows: on their bytes, a sixth of what
    the expression ``^([+]|-?0[0-9])`` takes."""
    import numpy as np

    for chunk in numbers.drop_null().chunks:
        _, places, data = chunk.buffers()
        bounds = np.frombuffer(places, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        letters = np.frombuffer(data, np.uint8)
        first = bounds[:-1]
        digit = first + (letters[first] == ord("-"))
        digit = digit[digit + 1 < bounds[1:]]  # another may follow
        after = letters[digit + 1]
        padded = (letters[digit] == ord("0")) & (after >= ord("0")) & (after <= ord("9"))
        if padded.any() or (letters[first] == ord("+")).any():
            return True
    return False


FIRST = 100
"""Values that mostly tell that a column is none of numbers."""


def _cast(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    import pyarrow as pa

    try:
        text.slice(0, FIRST).cast(kind)
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
