"""Types settled once: raw rows -> ``Schema`` -> typed rows.

How an undeclared column's type is settled, by its training values:

1. numeric dtype -> number; a boolean dtype, or text with both words of true/false, yes/no or
   t/f -> number 1/0; text that is numbers throughout ('1,234', ' 12 ', '$5') -> number;
2. text that is dates throughout -> numbers year, month, day, weekday, day_of_year, hour and
   days since 1970-01-01, each only where it varies;
3. other text is free ``text`` when two of three hold: more than 50 levels; more than half of
   the present values differ; three words or more on average. Else it is a ``category``.

Identifiers (no value occurs twice in train and test together, 50 rows or more; whole numbers or
single words with a digit), constant columns and columns that are all missing are dropped. A
declared type is never second-guessed, and its column never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.types import Column, Schema
from pipeline.features import values

if TYPE_CHECKING:
    import pandas as pd

MANY_LEVELS = 50
MANY_WORDS = 3.0
IDENTIFIER_ROWS = 50


def settle(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    *,
    id: str | None,
    target: str | None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    task_is_class: bool = False,
    target_is_number: bool = True,
    missing: Sequence[str] = ("", "NA"),
    where: str = "train",
) -> Schema:
    """Decide once what each raw column is. Reads statistics of levels only, never of the target.

    keep: columns that stay in the rows but are no features (group, time, fold).
    types: declared types (number, category, text, date, boolean) by column; they win.
    missing: texts that mean a missing value. where: the training file, for messages.
    Raises UserError for a declared column that is not there or cannot be read as declared.
    """
    types = dict(types or {})
    named = [("id", id), ("target", target), *(("drop", name) for name in drop)]
    named += [("keep", name) for name in keep] + [("types", name) for name in types]
    for key, name in named:
        if name is not None and name not in train.columns:
            hint = did_you_mean(name, map(str, train.columns))
            raise UserError(f"{where}: no column '{name}' (declared as {key}){hint}")
    columns: list[Column] = []
    dropped: dict[str, str] = {name: "declared in columns.drop" for name in drop}
    for name in map(str, train.columns):
        if name in (id, target) or name in dropped or name in keep:
            continue
        seen = [train[name]] + ([test[name]] if test is not None and name in test.columns else [])
        declared = types.get(name)
        if declared is None and (reason := _reason_to_drop(seen, missing)):
            dropped[name] = reason
        elif settled := _settle_column(name, seen, declared, missing, where):
            columns += settled
        else:
            dropped[name] = "constant"
    target_kind, classes = "number", ()
    if target is not None and task_is_class:
        target_kind, classes = "class", _classes(train[target], missing)
    elif target is not None and not target_is_number:
        target_kind = "text"
    return Schema(id, target, tuple(columns), classes, dropped, tuple(missing), tuple(keep), target_kind)  # type: ignore[arg-type]


def _reason_to_drop(seen: list[pd.Series], missing: Sequence[str]) -> str | None:
    import pandas as pd

    numeric = values.is_numeric(seen[0])
    series = seen if numeric else [values.levels(one, missing) for one in seen]
    train = series[0]
    if train.isna().all():
        return "all missing"
    if train.notna().all() and len(train) > 1 and train.nunique() == 1:
        return f"constant: always {train.iloc[0]!s}"
    if len(train) < IDENTIFIER_ROWS or train.isna().any() or not train.is_unique:
        return None
    every = pd.concat(series)
    if every.isna().any() or not every.is_unique:
        return None
    if numeric:
        single = bool((train % 1 == 0).all())
    else:
        single = bool(train.str.fullmatch(r"(?=.*\d)\S+").all()) and values.date_format(train) is None
        single = single and not train.str.fullmatch(r"\S?\d*[.,]\d+\S?").any()  # '1.5' and '$1,234' are measured
    return "identifier: no value occurs twice" if single else None


def _settle_column(
    name: str, seen: list[pd.Series], declared: str | None, missing: Sequence[str], where: str
) -> list[Column]:
    """The typed columns that one raw column becomes; none for a date that never varies."""
    import pandas as pd
    from pandas.api import types

    train = seen[0]
    if declared in ("category", "text"):
        return [Column(name, declared)]  # type: ignore[arg-type]
    if declared == "number":
        numeric = values.is_numeric(train) or types.is_bool_dtype(train.dtype)
        return [Column(name, "number", "as_is" if numeric else "numeric_text")]
    if declared == "boolean" or (declared is None and types.is_bool_dtype(train.dtype)):
        return [Column(name, "number", "boolean")]
    if declared is None and values.is_numeric(train):
        return [Column(name, "number")]
    moment = types.is_datetime64_any_dtype(train.dtype)
    words = values.text(train, missing)
    if declared is None and not moment:
        if values.are_truths(words):
            return [Column(name, "number", "boolean")]
        if values.are_numbers(words):
            return [Column(name, "number", "numeric_text")]
    # The test file helps to tell day-first from month-first.
    every = pd.concat([words, *(values.text(other, missing) for other in seen[1:])])
    form = None if moment else values.date_format(every) or values.date_format(words)
    if moment or form is not None:
        moments, _ = values.dates(train, form, missing)
        parts = {part: values.date_part(moments, part) for part in values.DATE_PARTS}
        varying = [part for part, number in parts.items() if len(np.unique(number[~np.isnan(number)])) > 1]
        return [Column(f"{name}.{part}", "number", f"date.{part}", name, form) for part in varying]
    if declared == "date":
        example = words.dropna().iloc[0] if words.notna().any() else "only missing values"
        raise UserError(
            f"{where}: column '{name}': declared a date, and no known way of writing dates reads all of it, "
            f"got {example!r}; write dates as 2024-01-31 or 2024-01-31 17:00"
        )
    return [Column(name, "text" if _is_free_text(words) else "category")]


def _is_free_text(words: pd.Series) -> bool:
    present = words.dropna()
    level = present.drop_duplicates()
    signs = (
        len(level) > MANY_LEVELS,
        len(level) > len(present) / 2,
        level.str.count(r"\S+").mean() >= MANY_WORDS,
    )
    return sum(signs) >= 2


def _class_values(series: pd.Series, missing: Sequence[str]) -> pd.Series:
    """A class target as int64, bool, float64 or text; missing values are left out."""
    from pandas.api import types

    words = values.levels(series, missing)
    present = words.notna()
    if types.is_bool_dtype(series.dtype):
        return series[present].astype(bool)
    if words[present].str.fullmatch(r"-?(0|[1-9]\d{0,17})").all():
        return words[present].astype("int64")
    if values.is_numeric(series):
        return series[present].astype("float64")
    return words[present]


def _classes(series: pd.Series, missing: Sequence[str]) -> tuple[Any, ...]:
    return tuple(sorted(_class_values(series, missing).unique().tolist()))


def apply(schema: Schema, raw: pd.DataFrame, *, training: bool, where: str) -> pd.DataFrame:
    """Raw rows -> typed rows, in the raw order, indexed 0, 1, ...

    Columns: id, features (number float64; category and text ``str``), target (training, where
    present: float64, the classes' own type, or ``str``), kept columns (where present).
    The order of the raw columns is free. where: the file, for messages; a row's number is its
    line in it, the header being line 1.
    Raises UserError for missing columns, unknown columns (unless training), and values that are
    not of their column's type.
    """
    import pandas as pd

    sources = {column.origin or column.name: None for column in schema.columns}
    needed = [*([schema.id] if schema.id else []), *sources, *(schema.keep if training else ())]
    if absent := [name for name in needed if name not in raw.columns]:
        raise UserError(f"{where}: column '{absent[0]}' is missing, and the training file has it{_more(absent)}")
    known = {*needed, *schema.dropped, *schema.keep, schema.target}
    if not training and (extra := [str(name) for name in raw.columns if name not in known]):
        raise UserError(
            f"{where}: column '{extra[0]}' is not in the training file{_more(extra)}; take it out, "
            "or name it under columns.drop and add it to the training file"
        )
    typed: dict[str, Any] = {}
    if schema.id is not None:
        typed[schema.id] = raw[schema.id].reset_index(drop=True)
    for name, data in _typed_columns(schema, raw, where):
        typed[name] = data
    if training and schema.target is not None and schema.target in raw.columns:
        typed[schema.target] = _typed_target(schema, raw[schema.target], where)
    for name in schema.keep:
        if name in raw.columns and name not in typed:
            typed[name] = _kept(raw[name], schema.missing)
    return pd.DataFrame(typed, index=pd.RangeIndex(len(raw)))


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more: {', '.join(map(str, names[1:6]))})" if len(names) > 1 else ""


def _typed_columns(schema: Schema, raw: pd.DataFrame, where: str) -> Iterator[tuple[str, Any]]:
    moments: tuple[str, Any] = ("", None)
    for column in schema.columns:
        series = raw[column.origin or column.name]
        if column.kind == "category":
            yield column.name, values.levels(series, schema.missing).reset_index(drop=True)
        elif column.kind == "text":
            yield column.name, values.text(series, schema.missing).reset_index(drop=True)
        elif column.origin is not None:
            if moments[0] != column.origin:
                read, bad = values.dates(series, column.format, schema.missing)
                _refuse(bad, series, where, f"a date written as {column.format or 'in the training file'}")
                moments = (column.origin, read)
            yield column.name, values.date_part(moments[1], column.source.removeprefix("date."))
        else:
            read_as = values.truths if column.source == "boolean" else values.numbers
            number, bad = read_as(series, schema.missing)
            rule = "true or false" if column.source == "boolean" else "a finite number"
            _refuse(bad, series, where, rule, f"; or declare columns.types.{column.name}: category")
            yield column.name, number


def _refuse(bad: np.ndarray, series: pd.Series, where: str, rule: str, or_else: str = "") -> None:
    if bad.any():
        row = int(np.argmax(bad))
        if "finite" in rule and values.too_large(series.iloc[row]):
            rule = rule.replace("finite number", f"number of at most {values.LARGEST:g}")
        values.raise_at(where, series, row, f"needs {rule}, got {values.got(series, row)}; mend the file{or_else}")


def _typed_target(schema: Schema, series: pd.Series, where: str) -> Any:
    import pandas as pd

    if schema.target_kind == "number":
        number, bad = values.numbers(series, schema.missing)
        _refuse(bad, series, where, "a finite number as target")
        return number
    words = values.text(series, schema.missing).reset_index(drop=True)
    if schema.target_kind == "text":
        return words
    names = values.levels(series, schema.missing).reset_index(drop=True)
    by_name = {values.level_name(level): level for level in schema.classes}
    _refuse((names.notna() & ~names.isin(list(by_name))).to_numpy(), series, where, "a class seen in training")
    if names.isna().any():
        return names
    dtype = "str" if isinstance(schema.classes[0], str) else type(schema.classes[0])
    return pd.Series([by_name[name] for name in names], dtype=dtype)


def _kept(series: pd.Series, missing: Sequence[str]) -> Any:
    """Kept columns so that they sort as they mean: numbers, datetime64, else text."""
    series = series.reset_index(drop=True)
    if series.dtype.kind in "iufbM":
        return series
    words = values.text(series, missing)
    number, bad = values.numbers(words, missing)
    if not bad.any():
        return number
    if form := values.date_format(words):
        return values.dates(words, form, missing)[0]
    return words


def check(schema: Schema, rows: pd.DataFrame, where: str) -> None:
    """Hold typed rows against the schema (pandera). Raises UserError for the first breach."""
    import pandera.pandas as pandera
    from pandera.errors import SchemaErrors

    finite = pandera.Check(lambda column: ~np.isinf(column), name="is finite")
    columns: dict[str, Any] = {}
    for column in schema.columns:
        if column.kind == "number":
            columns[column.name] = pandera.Column("float64", finite, nullable=True)
        else:
            columns[column.name] = pandera.Column("str", nullable=True)
    if schema.id is not None:
        columns[schema.id] = pandera.Column(unique=True, nullable=False)
    if schema.classes and schema.target is not None and schema.target in rows.columns:
        columns[schema.target] = pandera.Column(checks=pandera.Check.isin(list(schema.classes)))
    try:
        pandera.DataFrameSchema(columns).validate(rows, lazy=True)
    except SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        case = first["failure_case"]
        at = "" if first["index"] is None or first["index"] != first["index"] else f", row {int(first['index']) + 2}"
        name = first["column"] if first["column"] is not None else case
        raise UserError(f"{where}: column '{name}'{at}: breaks the rule '{first['check']}', got {case!r}") from None
