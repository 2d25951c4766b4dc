"""Types settled once: raw rows -> ``Schema``.

How an undeclared column's type is settled, by its training values (the test file's only decide between two ways
of reading them):

1. numeric dtype -> number; a boolean dtype, or text with both words of true/false, yes/no or t/f -> number 1/0;
   text that is numbers throughout in one format ('1,234', '0,5', '$5', '82 bhp') -> number;
2. text that is dates throughout -> numbers year, month, day, weekday, day_of_year, hour and days since 1970-01-01,
   each only where it varies; days without a year -> month, day and day_of_year; clock times -> hours since midnight;
3. other text is free ``text`` when two of three hold: more than 50 levels; more than half of the present values
   differ; three words or more on average. Else it is a ``category``.

In the first two, what is known to stand for a missing value (``missing_marks.py``) is missing. Dropped are constant
columns, those that are all missing, and identifiers: pandas' index, and columns in which no value occurs twice that
also count up, are named as an id, or look drawn at random. A declared type is never second-guessed, and its column
never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.class_columns import check_names
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.formats import is_date_format
from pipeline.core.schema import Column, Schema, TargetKind
from pipeline.features import values
from pipeline.features.column_words import Words, all_numeric, as_the_others, likely_format
from pipeline.features.dates import (
    DATE_PARTS,
    YEARLESS_PARTS,
    compact_date,
    date_part,
    dates,
    declared_date,
    example,
    has_year,
    is_clock,
    own_format,
)
from pipeline.features.identifiers import reason_to_drop
from pipeline.features.missing_marks import missing_labels
from pipeline.features.notes import column_note, format_note
from pipeline.features.number_formats import NumberFormat, number_format

if TYPE_CHECKING:
    import pandas as pd

MANY_LEVELS = 50
MANY_WORDS = 3.0


def settle(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    *,
    id: str | None,
    target: str | Sequence[str] | None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    formats: Mapping[str, str] | None = None,
    target_kind: TargetKind = "number",
    missing: Sequence[str] = ("", "NA"),
    where: str = "train",
    memo: dict[str, Any] | None = None,
) -> Schema:
    """Decide once what each raw column is. Reads statistics of levels only, never of the target.

    id: may be in the test file alone. target: one, or several of the kind ``numbers``, ``labels`` or ``classes``.
    target_kind: as a ``Schema`` has it.
    keep: columns that stay in the rows but are no features (group, time, fold).
    types: declared types (number, category, text, date, boolean) by column; they win. formats: declared formats of
    numbers and dates by column, as params.yaml has them.
    missing: texts that mean a missing value. where: the training file, for messages.
    memo: of an earlier call for the same rows, whose findings serve again.
    Raises UserError for a declared column that is not there or cannot be read as declared.
    """
    memo = {} if memo is None else memo
    types, formats = dict(types or {}), dict(formats or {})
    several = () if target is None or isinstance(target, str) else tuple(target)
    targets = several or (() if target is None else (str(target),))
    named = [*(("target", name) for name in targets), *(("drop", name) for name in drop)]
    named += [("group, time or fold", name) for name in keep] + [("types", name) for name in types]
    named += [("formats", name) for name in formats]
    for key, name in named:
        if name is not None and name not in train.columns and (key != "drop" or test is None or name not in test):
            hint = did_you_mean(name, map(str, train.columns))
            raise UserError(f"{where}: no column '{name}' (declared as columns.{key}){hint}")
    if id is not None and id not in train.columns and (test is None or id not in test.columns):
        raise UserError(
            f"{where}: no column '{id}' (declared as columns.id){did_you_mean(id, map(str, train.columns))}"
        )
    columns: list[Column] = []
    notes: dict[str, str] = {}
    dropped: dict[str, str] = {name: "declared in columns.drop" for name in drop}
    read = [name for name in map(str, train.columns) if name not in (id, *targets, *keep) and name not in dropped]
    pictures = [name for name in read if train[name].dtype.name == "image"]
    columns += [Column(name, "image") for name in pictures]
    read = [name for name in read if name not in pictures]
    seen = {name: [train[name]] + ([test[name]] if test is not None and name in test.columns else []) for name in read}
    infinite: dict[str, int] = {}
    for name, some in seen.items():
        seen[name], counts = map(list, zip(*map(values.without_infinite, some), strict=True))
        infinite |= {name: sum(counts)} if any(counts) else {}
    known = memo.setdefault("words", {})
    for name, some in seen.items():
        if name not in known and not all_numeric(some):
            known[name] = Words.of(some, missing)
    found = {name: known[name] for name in seen if name in known}
    reasons = memo.setdefault("reasons", {})
    taken = set(map(str, train.columns))
    likely = likely_format(found.values(), [some[0] for some in seen.values()])
    for name in read:
        declared, words = types.get(name), found.get(name)
        if (form := formats.get(name)) is not None:
            declared = "date" if is_date_format(form) else "number"
        if declared is None and name not in reasons:
            reasons[name] = reason_to_drop(name, seen[name], words, missing)
        if declared is None and reasons[name]:
            dropped[name] = reasons[name]
        elif settled := _settle_column(name, seen[name], words, declared, form, missing, where, likely):
            columns += [replace(one, name=_free(one.name, taken)) if one.origin else one for one in settled]
            if note := column_note(words, settled[0], infinite=infinite.get(name, 0), sure=form is not None):
                notes[name] = note
        else:
            dropped[name] = "constant"
    if test is not None:
        dropped |= {str(name): "not in the training file" for name in test if name not in train and name != id}
    classes: tuple[Any, ...] = ()
    target_missing, told = tuple(missing), {name: form for name, form in formats.items() if name in (*targets, *keep)}
    if targets and target_kind == "class":
        labelled = train[targets[0]]
        target_missing = missing_labels(values.text(labelled, ()), missing)
        classes = _classes(labelled, target_missing)
        if words_as_labels := [mark for mark in missing if mark not in target_missing and mark in map(str, classes)]:
            notes[targets[0]] = f"{', '.join(map(repr, words_as_labels))} is read as a class, not as missing"
    elif target_kind == "classes":
        check_names(targets, where)
    elif target_kind in ("number", "numbers"):
        for name in targets:
            if name not in told and not values.is_numeric(train[name]):
                number = number_format(values.text(train[name], missing), likely)
                told |= {} if _told(number) is None else {name: str(number)}
                if number is not None and (note := format_note(number)):
                    notes[name] = note
    return Schema(
        id=id,
        target=", ".join(several) if several else target,  # type: ignore[arg-type]
        columns=tuple(columns),
        classes=classes,
        dropped=dropped,
        missing=tuple(missing),
        keep=tuple(keep),
        target_kind=target_kind,
        targets=several,
        target_classes=tuple(_classes(train[name], missing) for name in targets) if target_kind == "classes" else (),
        formats=told,
        target_missing=target_missing,
        notes=notes,
    )


def _free(name: str, taken: set[str]) -> str:
    """A name for a part of a date that no raw column has."""
    while name in taken:
        name += "_"
    return name


def _settle_column(
    name: str,
    seen: Sequence[pd.Series],
    words: Words | None,
    declared: str | None,
    declared_form: str | None,
    missing: Sequence[str],
    where: str,
    likely: str | None,
) -> list[Column]:
    """The typed columns that one raw column becomes; none for a date that never varies."""
    from pandas.api import types

    train = seen[0]
    if declared in ("category", "text"):
        return [Column(name, declared)]  # type: ignore[arg-type]
    if declared == "boolean" or (declared is None and types.is_bool_dtype(train.dtype)):
        return [Column(name, "number", "boolean")]
    moment = types.is_datetime64_any_dtype(train.dtype)
    if words is None and not moment and declared != "date" and declared_form is None:
        return [Column(name, "number")]
    words = words or Words.of(seen, missing)
    if declared == "number" and declared_form is not None and not moment:
        told = _told(NumberFormat.parse(declared_form))
        return [Column(name, "number", "numeric_text", format=told, missing=words.marks)]
    if declared in (None, "number") and not moment:
        if declared is None and words.whole and (values.are_truths(words.train_level) or _truths_in_one_file(words)):
            return [Column(name, "number", "boolean", missing=words.marks)]
        number = words.number_format(likely)
        if number is not None and values.is_numeric(train):
            number = as_the_others(number, train, [values.text(one, (*missing, *words.marks)) for one in seen[1:]])
        if number is not None or declared == "number" or values.is_numeric(train):
            return [Column(name, "number", "numeric_text", format=_told(number), missing=words.marks)]
    form = (
        None
        if moment
        else words.date_format
        if declared_form is None
        else declared_date(words.train, words.every, declared_form)
    )
    if form is None and declared == "date" and not moment:
        form = compact_date(words.every) or compact_date(words.train)
    if form is None and declared_form is not None and not moment:
        bad = dates(train, declared_form, (*missing, *words.marks), whole=True)[1]
        row = int(np.argmax(bad))
        rule = f"declared as dates written like {example(declared_form)}, got {values.got(train, row)}"
        values.raise_at(where, train, row, rule)
    if moment or form is not None:
        test_form = None if form is None else own_format(words.test, form)
        return _date_columns(name, train, form, test_form, (*missing, *words.marks), words.marks)
    if declared == "date":
        got = words.train.dropna().iloc[0] if words.train.notna().any() else "only missing values"
        raise UserError(
            f"{where}: column '{name}': declared a date, and no known way of writing dates reads all of it, "
            f"got {got!r}; write dates as 2024-01-31 or 2024-01-31 17:00"
        )
    # What else stands for a missing value is a word like another here.
    plain = words if not words.marks else Words(values.text(train, missing), words.every, ())
    return [Column(name, "text" if _is_free_text(plain) else "category")]


def _truths_in_one_file(words: Words) -> bool:
    """Whether one file has true and false where the other has 1 and 0."""
    return {"0", "1"} < values.lower_of(words.every_level, {"0", "1", "true", "false"})


def _date_columns(
    name: str,
    train: pd.Series,
    form: str | None,
    test_form: str | None,
    missing: Sequence[str],
    marks: tuple[str, ...],
) -> list[Column]:
    """A column for each part of a date that varies."""
    moments = dates(train, form, missing, whole=True)[0].drop_duplicates()
    parts = DATE_PARTS if form is None or has_year(form) else ("time",) if is_clock(form) else YEARLESS_PARTS
    numbers = {part: date_part(moments, part) for part in parts}
    present = {part: number[~np.isnan(number)] for part, number in numbers.items()}
    varying = [part for part, number in present.items() if number.size and number.min() < number.max()]
    return [Column(f"{name}.{part}", "number", f"date.{part}", name, form, marks, test_form) for part in varying]


def _told(form: NumberFormat | None) -> str | None:
    """A format as a schema holds it: None for the plain one."""
    return None if form is None or str(form) == str(NumberFormat()) else str(form)


def _is_free_text(words: Words) -> bool:
    level = words.train_level
    signs = (
        len(level) > MANY_LEVELS,
        len(level) > words.train.count() / 2,
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
