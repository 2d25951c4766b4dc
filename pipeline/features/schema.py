"""A settled ``Schema`` applied: raw rows -> typed rows, and typed rows held against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.formats import is_date_format
from pipeline.core.paged import is_large, paged
from pipeline.core.types import Column, Schema
from pipeline.features import values
from pipeline.features.dates import ISO, date_format, date_part, dates, declared_date, example, the_other_way
from pipeline.text.cleaning.cleaning import Changes, built, clean_column

if TYPE_CHECKING:
    import pandas as pd

COPIED = 64 << 20
"""Bytes, 8 a value, up to which typed rows are copied together."""


def apply(
    schema: Schema, raw: pd.DataFrame, *, training: bool, where: str, changes: Changes | None = None
) -> pd.DataFrame:
    """Raw rows -> typed rows, in the raw order, indexed 0, 1, ...

    Columns: id, features (number float64; category and text ``str``), target (training, where
    present: float64, the classes' own type, or ``str``), kept columns (where present).
    The order of the raw columns is free. where: the file, for messages; a row's number is its
    line in it, the header being line 1. changes: is told what cleaning changed.
    Raises UserError for missing columns, unknown columns (unless training), and values that are
    not of their column's type.
    """
    import pandas as pd

    sources = {column.origin or column.name: None for column in schema.columns}
    needed = [*sources, *(schema.keep if training else ())]
    if absent := [name for name in needed if name not in raw.columns]:
        raise UserError(
            f"{where}: column '{absent[0]}' is missing, and the training file has it{_more(absent)}; add it, with "
            "empty cells where nothing is known"
        )
    known = {*needed, *schema.dropped, *schema.keep, *schema.target_names, schema.id}
    if not training and (extra := [str(name) for name in raw.columns if name not in known]):
        raise UserError(
            f"{where}: column '{extra[0]}' is not in the training file{_more(extra)}; take it out, "
            "or name it under columns.drop and add it to the training file"
        )
    typed: dict[str, Any] = {}
    large = is_large(*raw.shape)
    if schema.id is not None and schema.id in raw.columns:  # the training file's own may be without
        typed[schema.id] = raw[schema.id].reset_index(drop=True)
    for name, data in _typed_columns(schema, raw, where, changes, training):
        typed[name] = paged(data) if large else data
    for name in schema.target_names if training else ():
        if name in raw.columns:
            typed[name] = _typed_target(schema, name, raw[name], where, changes)
    for name in schema.keep:
        if name in raw.columns and name not in typed:
            typed[name] = _kept(raw[name], schema.missing, schema.formats.get(name))
    # Of a small one in one array, of which rows are taken faster; others need not be there twice.
    return pd.DataFrame(typed, index=pd.RangeIndex(len(raw)), copy=not large and 8 * raw.size < COPIED)


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more: {', '.join(map(str, names[1:6]))})" if len(names) > 1 else ""


def _typed_columns(
    schema: Schema, raw: pd.DataFrame, where: str, changes: Changes | None, training: bool
) -> Iterator[tuple[str, Any]]:
    import pandas as pd

    moments: tuple[str, Any, Any] = ("", None, None)
    for column in schema.columns:
        series = raw[column.origin or column.name]
        if column.kind == "image":
            yield column.name, series.reset_index(drop=True)
        elif column.kind == "category":
            yield column.name, values.levels(series, schema.missing).reset_index(drop=True)
        elif column.kind == "text":
            words = values.text(series, schema.missing).reset_index(drop=True)
            yield column.name, _cleaned(schema, words, changes)
        elif column.origin is not None:
            if moments[0] != column.origin:
                form = column.format if training else column.test_format or column.format
                read, bad = dates(series, form, (*schema.missing, *column.missing), whole=training)
                if bad.any() and form != column.format and column.format != the_other_way(form or ISO):
                    # Each by itself: one that is written as in the training file, unless that is its days and months
                    # the other way round, of which a row without either would be read by what stands beside it.
                    own, odd = dates(series, column.format, (*schema.missing, *column.missing), whole=training)
                    read, bad = read.where(~bad, own), bad & odd
                if bad.any():
                    words = values.text(series, (*schema.missing, *column.missing))
                    _refuse(bad, series, where, *_date_rule(column, words))
                moments = (column.origin, *pd.factorize(read))  # days repeat
            part = date_part(pd.Series(moments[2]), column.source.removeprefix("date."))
            yield column.name, np.append(part, np.nan)[moments[1]]
        else:
            missing = (*schema.missing, *column.missing)
            if column.source == "boolean":
                number, bad = values.truths(series, missing)
            else:
                number, bad = values.feature_numbers(series, missing, column.format)
            written = f" written like {column.format}" if column.format else ""
            rule = "true or false" if column.source == "boolean" else f"a number{written}"
            or_else = f"; or name it in source.missing, or declare columns.types.{column.name}: category"
            _refuse(bad, series, where, rule, or_else)
            yield column.name, number


def _cleaned(schema: Schema, words: pd.Series, changes: Changes | None) -> pd.Series:
    steps = schema.clean.get(str(words.name), ())
    return clean_column(words, built(steps), changes) if steps else words


def _refuse(bad: np.ndarray, series: pd.Series, where: str, rule: str, or_else: str = "") -> None:
    if bad.any():
        row = int(np.argmax(bad))
        if "finite" in rule and values.too_large(series.iloc[row]):
            rule = rule.replace("finite number", f"number of at most {values.LARGEST:g}")
        values.raise_at(where, series, row, f"needs {rule}, got {values.got(series, row)}; mend the file{or_else}")


def _typed_target(schema: Schema, target: str, series: pd.Series, where: str, changes: Changes | None) -> Any:
    import pandas as pd

    if schema.target_kind == "labels":
        number, bad = values.truths(series, schema.target_missing)
        _refuse(bad, series, where, "0 or 1, or true or false, as label")
        return number
    if schema.target_kind in ("number", "numbers"):
        form = schema.formats.get(str(series.name))
        number, bad = values.numbers(series, schema.target_missing, form)
        _refuse(bad, series, where, f"a finite number{f' written like {form}' if form else ''} as target")
        return number
    words = values.text(series, schema.target_missing).reset_index(drop=True)
    if schema.target_kind == "text":
        return _cleaned(schema, words, changes)
    names = values.levels(series, schema.target_missing).reset_index(drop=True)
    several = schema.target_kind == "classes"
    classes = schema.target_classes[schema.targets.index(target)] if several else schema.classes
    by_name = {values.level_name(level): level for level in classes}
    _refuse((names.notna() & ~names.isin(list(by_name))).to_numpy(), series, where, "a class seen in training")
    if several:  # as text, since rows may lack some
        return names.map({name: str(level) for name, level in by_name.items()}).astype("str")
    if names.isna().any():
        return names
    dtype = "str" if isinstance(schema.classes[0], str) else type(schema.classes[0])
    return pd.Series([by_name[name] for name in names], dtype=dtype)


def _kept(series: pd.Series, missing: Sequence[str], form: str | None) -> Any:
    """Kept columns so that they sort as they mean: numbers, datetime64, else text. form: as declared."""
    series = series.reset_index(drop=True)
    if series.dtype.kind in "iufbM":
        return series
    words = values.text(series, missing)
    declared = form is not None and is_date_format(form)
    number, bad = values.numbers(words, missing, None if declared else form)
    if not bad.any() and not declared:
        return number
    if form := declared_date(words, words, form) if form is not None else date_format(words):
        return dates(words, form, missing)[0]
    return words


def _date_rule(column: Column, words: pd.Series) -> tuple[str, str]:
    """The rule that a date breaks, and what to do where the file's own way of writing them is open."""
    own = date_format(words)
    other = None if own is None else the_other_way(own)
    ways = "" if other is None else f"'{the_other_way(other)}' or '{other}'"
    said = f"; or say how it is written: columns.formats.{column.origin}: {ways}" if ways else ""
    return f"a date written like {example(column.format or ISO)}", said


def check(schema: Schema, rows: pd.DataFrame, where: str, *, training: bool) -> None:
    """Hold typed rows against the schema (pandera). Raises UserError for the first breach."""
    import pandera.pandas as pandera
    from pandera.errors import SchemaErrors

    finite = pandera.Check(lambda column: ~np.isinf(column), name="is finite")
    columns: dict[str, Any] = {}
    for column in schema.columns:
        if column.kind == "image" or (column.kind == "number" and _are_finite(rows, column.name)):
            continue  # pandera takes a millisecond a column, which is seconds of a wide table
        if column.kind == "number":
            columns[column.name] = pandera.Column("float64", finite, nullable=True)
        else:
            columns[column.name] = pandera.Column("str", nullable=True)
    if schema.id is not None and not training:  # the training file's may begin again, or be another's
        columns[schema.id] = pandera.Column(unique=True, nullable=False)
    if schema.classes and schema.target is not None and schema.target in rows.columns:
        columns[schema.target] = pandera.Column(checks=pandera.Check.isin(list(schema.classes)))
    try:
        held = [name for name in columns if name in rows]  # it copies what it is given
        pandera.DataFrameSchema(columns).validate(rows[held], lazy=True)
    except SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        case = first["failure_case"]
        at = "" if first["index"] is None or first["index"] != first["index"] else f", row {int(first['index']) + 2}"
        name = first["column"] if first["column"] is not None else case
        raise UserError(f"{where}: column '{name}'{at}: breaks the rule '{first['check']}', got {case!r}") from None


def _are_finite(rows: pd.DataFrame, name: str) -> bool:
    return name in rows and rows[name].dtype == "float64" and not bool(np.isinf(rows[name].to_numpy()).any())
