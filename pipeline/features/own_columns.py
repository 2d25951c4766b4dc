"""One's own columns: the functions of a user's file run on raw rows, and held to be row by row.

A column that looks at other rows (a mean over all of them, a rank, the row above) carries validation rows into
training, and answers otherwise for a test file than for one row of it. So ``columns`` is called on shuffled halves
too, each time as if the file had just been loaded, once in a process of its own, and must answer the same. While
it runs it may write no file, which it could remember rows by. (What Arrow and other libraries of C open is not seen.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import get_ident
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.own_code import described, load_own_file, needed_place
from pipeline.core.sections import OwnColumns
from pipeline.features.fresh_process import answered_afresh

if TYPE_CHECKING:
    import pandas as pd

FUNCTION = "columns"


def load(path: str) -> ModuleType:
    """The file as a module, made anew."""
    with left_alone():
        return load_own_file(needed_place(path, OwnColumns.FOLDER, path), path)


def learner_of(module: ModuleType) -> type | None:
    """The file's class with ``fit`` and ``transform``, if it has one."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and {"fit", "transform"} <= set(dir(value))
    ]
    if len(found) > 1:
        raise UserError(f"{Path(str(module.__file__)).name}: has several classes with fit and transform; keep one")
    return found[0] if found else None


def with_own_columns(
    raw: pd.DataFrame,
    path: str,
    targets: Sequence[str],
    where: str,
    *,
    keep: Sequence[str] = (),
    held: bool = False,
) -> pd.DataFrame:
    """Raw rows with what ``columns`` makes of them; as they are where the file has no such function.

    targets: are not shown to it. keep: columns that it may not change. where: the rows' file, for messages.
    held: whether to call it on shuffled halves too.
    Raises UserError naming the file, and the row and column that show that it is not row by row.
    """
    if pictures := [str(name) for name in raw if raw[name].dtype.name == "image"]:  # which no function of rows is shown
        told = with_own_columns(raw.drop(columns=pictures), path, targets, where, keep=keep, held=held)
        return told.assign(**{name: raw[name] for name in pictures})
    if not hasattr(load(path), FUNCTION):
        if learner_of(load(path)) is None:
            raise UserError(f"{path}: needs a function {FUNCTION}(rows), or a class with fit and transform")
        return raw
    given = raw.drop(columns=[name for name in targets if name in raw])
    made = answered_by_file(path, given, targets)
    for name in keep:
        if name in made and name in raw and not _same(raw[name], made[name]).all():
            raise UserError(f"{path}: {FUNCTION} must leave '{name}' as it is: it names the rows; give another name")
    if held:
        answers = (
            lambda part: answered_by_file(path, part, targets),
            lambda part: answered_afresh(path, part, targets),
        )
        hold_row_by_row(answers, given, made, f"{path}: {FUNCTION}", where)
    return raw.assign(**{str(name): made[name] for name in made})


def answered_by_file(path: str, rows: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """What the file's function gives for these rows, as if it had just been loaded."""
    return answered(getattr(load(path), FUNCTION), rows, f"{path}: {FUNCTION}", targets)


def answered(function: Any, rows: pd.DataFrame, said: str, targets: Sequence[str]) -> pd.DataFrame:
    """What one's own function gives for these rows, held to its form: indexed as they are, columns of plain values."""
    import pandas as pd

    try:
        with left_alone(), environment_put_back():
            made = function(rows.reset_index(drop=True))
    except (Exception, SystemExit) as error:
        named = isinstance(error, KeyError) and any(name in str(error) for name in targets)
        hint = " (that is the target, which it is not shown)" if named else ""
        if isinstance(error, KeyError) and not named and error.args and error.args[0] not in rows:
            hint = f"; the rows have {', '.join(map(str, rows.columns[:20]))}{', …' if rows.shape[1] > 20 else ''}"
        raise UserError(f"{said} raised {described(error)}{hint}") from error
    if not isinstance(made, pd.DataFrame) or len(made) != len(rows):
        got = f"{len(made)} rows" if isinstance(made, pd.DataFrame) else type(made).__name__
        raise UserError(f"{said} needs to return a DataFrame of as many rows as it is given, {len(rows)}, got {got}")
    if set(made.index) == set(range(len(rows))):  # as many as the rows, so each once; labels may have no order
        made = made.loc[list(range(len(rows)))]
    if taken := [name for name in targets if name in made]:
        raise UserError(f"{said} must not return '{taken[0]}', the target")
    if twice := made.columns[made.columns.duplicated()].tolist():
        raise UserError(f"{said} returns the column '{twice[0]}' twice; each needs a name of its own")
    made = pd.DataFrame({name: _plain(made[name]) for name in made}, index=made.index).infer_objects()
    for name in made:
        if made[name].dtype == object:
            if bad := [one for one in made[name].dropna() if not isinstance(one, str | bool | int | float)]:
                raise UserError(f"{said}: column '{name}' needs numbers, texts, truths or dates, got {bad[0]!r}")
            made[name] = made[name].map(str, na_action="ignore").astype("str")
    return made.set_axis(rows.index)


_watched: set[int] = set()
"""Threads that run code of one's own."""


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "sqlite3.connect") or get_ident() not in _watched:
        return
    place = arguments[0] if isinstance(arguments[0], str | bytes | Path) else ""
    name = Path(os.fsdecode(place)).name.lower()
    writes = event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    if writes and place and place != os.devnull and not name.partition(".pyc")[1]:
        raise PermissionError(f"{name} may not be written while columns are made")
    if name.startswith(("train", "test", "valid")) and name.split(".")[-1] in ROW_FILES:
        raise PermissionError(f"{name} is a file of rows, which columns may not look at")


ROW_FILES = ("csv", "tsv", "gz", "zip", "parquet", "npz", "txt", "bz2", "xz")
"""Endings of the files that one's own columns may not open where they are called train, test or valid."""


@cache
def _listen() -> None:
    sys.addaudithook(_hear)  # for good: Python takes none away


@contextmanager
def left_alone() -> Iterator[None]:
    """Refuse to open files of rows meanwhile: looked up there, a target's mean would be in a column. And to write any:
    other rows would be remembered there."""
    _listen()
    thread, before = get_ident(), set(_watched)
    _watched.add(thread)
    try:
        yield
    finally:
        if thread not in before:
            _watched.discard(thread)


@contextmanager
def environment_put_back() -> Iterator[None]:
    """Nor is anything remembered in the environment."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in {*before, *os.environ}:
            if name not in before:
                del os.environ[name]
            elif os.environ.get(name) != before[name]:
                os.environ[name] = before[name]


def _plain(values: pd.Series) -> pd.Series:
    """A column of pandas' nullable or Arrow's types as one of numpy's, truths among missing ones as text."""
    import pandas as pd

    if isinstance(values.dtype, np.dtype | pd.CategoricalDtype) or not pd.api.types.is_extension_array_dtype(
        values.dtype
    ):
        return values.astype(object) if isinstance(values.dtype, pd.CategoricalDtype) else values
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.astype(object) if values.isna().any() else values.astype(bool)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(values.to_numpy(dtype="float64", na_value=np.nan), index=values.index)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    return values.astype(object)


Answer: TypeAlias = "Callable[[pd.DataFrame], pd.DataFrame]"


def hold_row_by_row(
    answers: tuple[Answer, Answer], rows: pd.DataFrame, made: pd.DataFrame, said: str, where: str
) -> None:
    """Ask for shuffled halves too; raises UserError with the first row and column that is answered otherwise.

    answers: what answers the first half, and what the second.
    """
    order = np.random.default_rng(0).permutation(len(rows))
    halves = (order[: len(rows) // 2], order[len(rows) // 2 :])
    for answer, part in zip(answers, halves, strict=True):
        if len(part) == 0:
            continue
        again, before = answer(rows.iloc[part]), made.iloc[part]
        if odd := sorted(set(map(str, again)) ^ set(map(str, before))):
            raise UserError(f"{said}: column '{odd[0]}' is there for some rows and not for others; give all to all")
        for name in before:
            wrong = ~_same(before[name], again[name])
            if wrong.any():
                place = int(np.argmax(wrong))
                raise UserError(
                    f"{said} is not row by row: '{name}' of row {int(part[place]) + 2} of {where} is "
                    f"{_said(before[name], place)} among all rows and {_said(again[name], place)} among half of them; "
                    "a column may depend on its own row alone; what learns from rows is a class with fit and transform"
                )


def _said(values: pd.Series, place: int) -> str:
    value = values.iloc[place]
    return repr(value.item() if isinstance(value, np.generic) else value)


def _same(one: pd.Series, other: pd.Series) -> np.ndarray:
    both = one.isna().to_numpy() & other.isna().to_numpy()
    if one.dtype.kind in "iufb" and other.dtype.kind in "iufb":
        close = np.isclose(one.to_numpy("float64"), other.to_numpy("float64"), rtol=1e-9, atol=1e-12)
        return both | close
    return both | (one.map(str).to_numpy() == other.map(str).to_numpy())
