"""Submissions, samples of them and solutions as files: read, written, read back."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.answering.submission_layout import same_name
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Writing:
    """How a file of answers is written: what stands between columns, and in numbers."""

    delimiter: str = ","
    decimal: str = "."
    open: bool = False
    """Whether the file has no fraction to tell its decimal mark by."""


def read_answers(path: Path, id_column: str | None) -> pd.DataFrame:
    """A submission, a sample of one, or a solution: nothing in it is missing, and ids are text to the character.

    id_column: the test rows'; where they have none, the first column of several is taken for it.
    """
    return _read(path, id_column)[0]


def writing_of(path: Path, id_column: str | None) -> Writing:
    """The writing of a file of answers."""
    return _read(path, id_column)[1]


def _read(path: Path, id_column: str | None) -> tuple[pd.DataFrame, Writing]:
    from pipeline.features.number_formats import number_format
    from pipeline.sources.tables import delimiter_of_table, read_table

    given = read_table(path, missing=())
    columns = [str(column) for column in given.columns]
    identifier = same_name(id_column, columns) if id_column is not None else columns[0] if len(columns) > 1 else None
    if identifier is not None:
        given = read_table(path, missing=(), text=[identifier])
    delimiter = delimiter_of_table(path)
    if delimiter == ",":
        return given, Writing()
    decimal = "."
    whole = all(given[column].dtype.kind == "i" for column in columns if column != identifier)
    texts: list[str] = list(given.select_dtypes("str"))
    for column in texts:
        if column == identifier:
            continue
        form = number_format(given[column], "1.234,5")
        if form is not None and (form.written, form.unit) == ("1.234,5", ""):
            given[column], decimal = form.read(given[column]), ","
    return given, Writing(delimiter, decimal, whole)


def write_answers(answers: pd.DataFrame, path: Path, writing: Writing) -> None:
    """Write a CSV, read it back and hold every cell to what was to be written."""
    write_csv(answers, path, sep=writing.delimiter, decimal=writing.decimal)
    check_written(path, answers, writing)


def write_csv(table: pd.DataFrame, path: Path, **options: Any) -> None:
    """Write a CSV whose lines end at ``\\n``. Texts are quoted where one holds a lone carriage return: Python's writer
    leaves it bare then, and readers take it for the end of a line."""
    texts = table.select_dtypes(exclude=["number", "bool"])
    bare = any(texts[name].map(str).str.contains("\r", regex=False).any() for name in texts)
    options["quoting"] = csv.QUOTE_NONNUMERIC if bare else csv.QUOTE_MINIMAL
    table.to_csv(path, index=False, lineterminator="\n", **options)


def check_written(
    path: Path, submission: pd.DataFrame, writing: Writing = Writing(), where: str = "submission.csv"
) -> None:
    """Read a written CSV back and hold every cell to what was to be written: numbers exactly."""
    import pandas as pd

    # Read as text: neither "NA" nor 007 may be taken for anything else.
    options: Any = {"dtype": str, "keep_default_na": False, "na_filter": False}
    found = pd.read_csv(path, sep=writing.delimiter, encoding="utf-8", **options)
    if list(found.columns) != [str(column) for column in submission.columns] or len(found) != len(submission):
        raise UserError(f"{where}: reads back with {found.shape} rows and columns, {submission.shape} were written")
    for column, expected in submission.items():
        text = found[str(column)]
        if pd.api.types.is_float_dtype(expected):
            text = text.str.replace(writing.decimal, ".", regex=False)
            numbers = expected.to_numpy()
            wrong = text.to_numpy(dtype=object).astype(numbers.dtype) != numbers
        else:
            wrong = text.to_numpy() != expected.map(str).to_numpy()
        refuse(where, str(column), wrong, found, "needs to read back as it was written")


def refuse(where: str, column: str, wrong: Any, frame: pd.DataFrame, rule: str) -> None:
    """Raise a UserError at the first row that is wrong."""
    import numpy as np

    mask = np.asarray(wrong, dtype=bool)
    if mask.any():
        row = int(mask.argmax())
        raise UserError(f"{where}: column '{column}' {rule}, got {frame[column].iloc[row]} in row {row + 1}")


def numeric(values: pd.Series, where: str) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    refuse(where, str(values.name), numbers.isna(), values.to_frame(), "needs numbers")
    return numbers


def codes_of(values: pd.Series, written: Mapping[str, Any], where: str) -> np.ndarray:
    """Place of each value among the classes, int [rows]; spaces around some of them count no more than in training
    rows."""
    import pandas as pd

    spellings = [str(value) for value in written.values()]
    words = values.map(str)
    codes = pd.Index(spellings).get_indexer(pd.Index(words))
    if (codes < 0).any():
        codes = pd.Index([one.strip() for one in spellings]).get_indexer(pd.Index(words.str.strip()))
    rule = f"needs one of the classes {', '.join(spellings[:10])}"
    refuse(where, str(values.name), codes < 0, values.to_frame(), rule)
    return codes
