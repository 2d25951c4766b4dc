"""Bad input found before anything is written: raw rows -> one-line errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.schema import FOLD, LEVELS, ROW, WEIGHT, TargetKind
from pipeline.features import values
from pipeline.features.missing_marks import MARKS, missing_labels
from pipeline.features.number_formats import number_format

if TYPE_CHECKING:
    import pandas as pd


def check_raw(
    train: pd.DataFrame,
    test: pd.DataFrame | None,
    *,
    id: str | None,
    target: str | Sequence[str] | None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    target_kind: TargetKind = "number",
    formats: Mapping[str, str] | None = None,
    missing: Sequence[str] = ("", "NA"),
    learned: bool = True,
    where: str = "train",
    test_where: str = "test",
) -> None:
    """Raise a UserError naming file, column, row and rule for the first fault found.

    target_kind: as a ``Schema`` has it. formats: declared ones by column. learned: whether the target is what models
    learn, and must differ among rows. where, test_where: names of the two files.
    A row's number is its line in the file, the header being line 1. Test columns may come in any order.
    """
    for frame, name in ((train, where), (test, test_where)):
        if frame is None:
            continue
        if twice := frame.columns[frame.columns.duplicated()].tolist():
            raise UserError(f"{name}: column '{twice[0]}' stands twice in the header; rename one")
        if own := [column for column in (ROW, FOLD, WEIGHT) if column in frame.columns]:
            raise UserError(f"{name}: column '{own[0]}' has a name that Podium keeps for itself; rename it")
        if len(frame) == 0:
            raise UserError(f"{name}: needs at least one row below the header, got none")
    targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
    named = [*(("target", one, train, where) for one in targets), ("id", id, test, test_where)]
    for key, column, frame, name in named:
        if column is not None and frame is not None and column not in frame.columns:
            hint = did_you_mean(column, map(str, frame.columns))
            raise UserError(f"{name}: no column '{column}' (declared as columns.{key}){hint}")
    if test is not None:
        _check_columns(train, test, {id, *targets, *drop, *keep}, where, test_where)
    if id is not None and test is not None:
        _check_ids(test[id], test_where)
    _check_last_row(train, where)
    for one in targets:
        form = (formats or {}).get(one)
        _check_target(train[one], target_kind, form, missing, where, len(targets) > 1, learned)


def _check_columns(
    train: pd.DataFrame, test: pd.DataFrame, optional: set[str | None], where: str, test_where: str
) -> None:
    for name in train.columns:
        if name not in test.columns and name not in optional:
            raise UserError(
                f"{test_where}: column '{name}' is missing, and {where} has it; add it, or name it under columns.drop"
                f"{did_you_mean(str(name), [str(one) for one in test.columns if one not in train.columns])}"
            )


_TOTALS = re.compile(
    r"(?:grand |sub)?totals?|sums?|summe|gesamt|insgesamt|total (?:general|général)|somme|итого|всего|合计|总计", re.I
)


def _check_last_row(train: pd.DataFrame, where: str) -> None:
    """Spreadsheets end in a row of sums, which is no row to learn from."""
    first = train[train.columns[0]]
    last = str(first.iloc[-1]).strip().rstrip(":")
    if len(train) > 2 and _TOTALS.fullmatch(last) and not (first.iloc[:-1] == first.iloc[-1]).any():
        rule = f"{last!r} in the last row looks like the sum of those above; take the row out"
        values.raise_at(where, first, len(train) - 1, rule)


def _check_ids(raw: pd.Series, where: str) -> None:
    """The test rows' alone: the submission names them. Those of training rows may begin again or repeat.

    Only nothing is a missing id: ``NA`` may be one.
    """
    ids = values.text(raw, ("",)).reset_index(drop=True)
    if ids.isna().any():
        values.raise_at(where, raw, int(np.argmax(ids.isna())), "needs an id, got a missing value")
    if (again := ids.duplicated()).any():
        row = int(np.argmax(again))
        first = int(np.argmax(ids == ids.iloc[row]))
        rule = f"needs ids that occur once, got {ids.iloc[row]!r} of row {first + 2} again"
        values.raise_at(where, raw, row, rule)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_target(
    series: pd.Series,
    target_kind: TargetKind,
    form: str | None,
    missing: Sequence[str],
    where: str,
    several: bool,
    learned: bool,
) -> None:
    """form: as declared. several: whether there are other targets, so that a row may lack this one."""
    is_class = target_kind in LEVELS
    if is_class and not several:
        missing = missing_labels(values.text(series, ()), missing)
    plain = not is_class and values.is_numeric(series) and not any(map(_is_number, missing))
    words = series if plain else values.levels(series, missing)  # of many million numbers these take much memory
    if is_class:
        folded = words.str.lower()
        looks = folded.isin(MARKS).to_numpy(copy=True)
        if not words[~looks].str.fullmatch(r"[-\d.]*").any():  # among words these may be names
            looks &= ~folded.isin(["na", "none", "unknown", "unk", "missing", "x", "xx", "void", "empty"]).to_numpy()
        marks = looks
        if marks.any() and not marks.all():
            row, so = int(np.argmax(marks)), "leave the cell empty" if several else "take the row out"
            values.raise_at(where, series, row, f"needs a class, got {words.iloc[row]!r}, which looks missing; {so}")
    absent = words.isna().to_numpy()
    if absent.all():
        raise UserError(f"{where}: column '{series.name}': needs a target, and every row's is missing")
    if absent.any() and not several:
        row = int(np.argmax(absent))
        written = isinstance(value := series.iloc[row], str) and value.strip()
        got = f"got {value!r}, which source.missing names as missing" if written else "got a missing value"
        so = "; where it is a text, set source.missing to ['']" if target_kind == "text" and any(missing) else ""
        values.raise_at(where, series, row, f"needs a target, {got}; give it or take the row out{so}")
    if is_class:
        if (own := words.isin([ROW, FOLD, WEIGHT]).to_numpy()).any():
            rule = "needs another name for this class, which Podium keeps for itself"
            values.raise_at(where, series, int(np.argmax(own)), f"{rule}, got {str(words.iloc[np.argmax(own)])!r}")
        if words.nunique() < 2:
            only = words.dropna().iloc[0]
            raise UserError(f"{where}: column '{series.name}': needs two classes at least, got only {only!r}")
    elif target_kind in ("number", "numbers"):
        found = None if form or values.is_numeric(series) else number_format(values.text(series, missing))
        numbers, bad = values.numbers(series, missing, form or (None if found is None else str(found)))
        if bad.any():
            row = int(np.argmax(bad))
            rule = f"needs a finite number{f' written like {form}' if form else ''} as target"
            values.raise_at(where, series, row, f"{rule}, got {values.got(series, row)}; mend it or take the row out")
        if learned and len(numbers) > 1 and np.nanmin(numbers) == np.nanmax(numbers):
            raise UserError(
                f"{where}: column '{series.name}': needs two values at least, got only {np.nanmin(numbers):g}"
            )
