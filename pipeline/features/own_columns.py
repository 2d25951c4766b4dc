"""One's own columns: the functions of a user's file run on raw rows, and held to be row by row.

A column that looks at other rows (a mean over all of them, a rank, the row above) carries validation rows into
training, and answers otherwise for a test file than for one row of it. So ``columns`` is called on shuffled halves
too, each time as if the file had just been loaded, and must answer the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.code import PACKAGE
from pipeline.core.errors import UserError
from pipeline.core.own_files import described, load_own_file
from pipeline.core.paths import project_root
from pipeline.core.sections import OwnColumns

if TYPE_CHECKING:
    import pandas as pd

FUNCTION = "columns"


def place_of(path: str) -> Path:
    """Where the file lies: beside the package that runs, which a served model brings along, or in the project."""
    for root in (PACKAGE.parent, project_root()):
        place = (root / path).resolve()
        if place.is_relative_to((root / OwnColumns.FOLDER).resolve()) and place.is_file():
            return place
    raise UserError(f"{path}: no such file in {OwnColumns.FOLDER}/, and the model's rows need it")


def load(path: str) -> ModuleType:
    """The file as a module, made anew."""
    return load_own_file(place_of(path), path)


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
    raw: pd.DataFrame, path: str, target: str | None, where: str, *, held: bool = False
) -> pd.DataFrame:
    """Raw rows with what ``columns`` makes of them; as they are where the file has no such function.

    target: is not shown to it. where: the rows' file, for messages. held: whether to call it on shuffled halves too.
    Raises UserError naming the file, and the row and column that show that it is not row by row.
    """
    if not hasattr(load(path), FUNCTION):
        if learner_of(load(path)) is None:
            raise UserError(f"{path}: needs a function {FUNCTION}(rows), or a class with fit and transform")
        return raw
    given = raw.drop(columns=[name for name in (target,) if name in raw])

    def answer(rows: pd.DataFrame) -> pd.DataFrame:
        return answered(getattr(load(path), FUNCTION), rows, f"{path}: {FUNCTION}", target)

    made = answer(given)
    if held:
        hold_row_by_row(answer, given, made, f"{path}: {FUNCTION}", where)
    return raw.assign(**{str(name): made[name] for name in made})


def answered(function: Any, rows: pd.DataFrame, said: str, target: str | None) -> pd.DataFrame:
    """What one's own function gives for these rows, held to its form: indexed as they are, columns of plain values."""
    import pandas as pd

    try:
        made = function(rows.reset_index(drop=True))
    except Exception as error:
        named = target is not None and isinstance(error, KeyError) and str(target) in str(error)
        hint = " (that is the target, which it is not shown)" if named else ""
        raise UserError(f"{said} raised {described(error)}{hint}") from error
    if not isinstance(made, pd.DataFrame) or len(made) != len(rows):
        got = f"{len(made)} rows" if isinstance(made, pd.DataFrame) else type(made).__name__
        raise UserError(f"{said} needs to return a DataFrame of as many rows as it is given, {len(rows)}, got {got}")
    if sorted(made.index) == list(range(len(rows))):
        made = made.loc[list(range(len(rows)))]
    if target is not None and target in made:
        raise UserError(f"{said} must not return '{target}', the target")
    made = made.infer_objects()
    for name in made:
        if made[name].dtype == object:
            if bad := [one for one in made[name].dropna() if not isinstance(one, str | bool | int | float)]:
                raise UserError(f"{said}: column '{name}' needs numbers, texts, truths or dates, got {bad[0]!r}")
            made[name] = made[name].map(str, na_action="ignore").astype("str")
    return made.set_axis(rows.index)


def hold_row_by_row(
    answer: Callable[[pd.DataFrame], pd.DataFrame], rows: pd.DataFrame, made: pd.DataFrame, said: str, where: str
) -> None:
    """Ask for shuffled halves too; raises UserError with the first row and column that is answered otherwise."""
    order = np.random.default_rng(0).permutation(len(rows))
    for part in (order[: len(rows) // 2], order[len(rows) // 2 :]):
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
                    f"{before[name].iloc[place]!r} among all rows and {again[name].iloc[place]!r} among half of them; "
                    "a column may depend on its own row alone; what learns from rows is a class with fit and transform"
                )


def _same(one: pd.Series, other: pd.Series) -> np.ndarray:
    both = one.isna().to_numpy() & other.isna().to_numpy()
    if one.dtype.kind in "iufb" and other.dtype.kind in "iufb":
        close = np.isclose(one.to_numpy("float64"), other.to_numpy("float64"), rtol=1e-9, atol=1e-12)
        return both | close
    return both | (one.map(str).to_numpy() == other.map(str).to_numpy())
