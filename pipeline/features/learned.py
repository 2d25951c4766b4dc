"""Columns that one's own class learns inside each fold, in front of any feature set.

Fitted on a fold's training rows like every encoder; what it learned lies as JSON beside the encoder's own state.
Where it looks at the target, training rows are answered by what the other rows of the fold taught, by the
competition's own split.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from pipeline.core.errors import UserError
from pipeline.core.own_code import described, needed_place
from pipeline.core.registry import PartOf, settings
from pipeline.core.sections import OwnColumns
from pipeline.core.types import FOLD, WEIGHT, Column, Encoded, Encoder, FeatureSet, InnerFolds, Schema, Spec
from pipeline.features import features
from pipeline.features.fresh_process import learned_afresh, transformed_afresh
from pipeline.features.own_columns import (
    Answer,
    answered,
    environment_put_back,
    hold_row_by_row,
    learner_of,
    left_alone,
    load,
)

if TYPE_CHECKING:
    import pandas as pd


@features.register("learned")
@settings
class Learned(FeatureSet):
    """The columns of the class in the file ``path``, then the feature set ``of`` on all columns. A competition with
    ``own_columns`` whose file has such a class reads every feature set through it."""

    path: str
    of: Annotated[Any, PartOf(features)]

    @property
    def code_files(self) -> tuple[Path, ...]:
        return (needed_place(self.path, OwnColumns.FOLDER, self.path),)

    @property
    def statistics(self) -> Literal["training", "train_and_test"]:  # type: ignore[override]
        return self.of.statistics  # type: ignore[no-any-return]

    @property
    def files(self) -> Mapping[str, Path]:  # type: ignore[override]
        return self.of.files  # type: ignore[no-any-return]

    def reading(self, folder: Path) -> Learned:
        return replace(self, of=self.of.reading(folder))

    @property
    def gives(self) -> frozenset[str]:
        return self.of.gives  # type: ignore[no-any-return]

    def fit(self, rows: pd.DataFrame, schema: Schema, seed: int) -> LearnedEncoder:
        state = self.learn(rows, schema)
        made = self.make(state, rows, schema)
        self._hold(state, rows, made, schema, lambda part: self.make(state, part, schema))
        columns = tuple(Column(str(name), "number" if made[name].dtype.kind in "iufb" else "category") for name in made)
        inner = self.of.fit(rows.assign(**typed(made, columns)), self.wider(schema, columns), seed)
        return LearnedEncoder(self, schema, state, columns, inner)

    def hold(self, encoder: Encoder, rows: pd.DataFrame, schema: Schema) -> None:
        """What was learned and is answered, again in new processes, which know nothing of other folds."""
        state = self.learn(rows, schema)
        target = schema.target_names if self.cross_fits else ()
        asked = _seen(rows, schema)
        if target:
            asked = asked.assign(**rows[list(target)].reset_index(drop=True))
        again = learned_afresh(self.path, asked, target)
        for name in sorted({*state, *again}):
            if not _alike(state.get(name), again.get(name)):
                raise UserError(
                    f"{self.path}: fit learns otherwise in a new process: '{name}' is {_short(again.get(name))} there "
                    f"and {_short(state.get(name))} here; learn from the rows given alone, and by chance from a fixed "
                    "seed"
                )
        made = self.make(state, rows, schema)
        self._hold(state, rows, made, schema, lambda part: transformed_afresh(self.path, _seen(part, schema), state))

    def _hold(
        self, state: Mapping[str, Any], rows: pd.DataFrame, made: pd.DataFrame, schema: Schema, other: Answer
    ) -> None:
        """other: what answers the second half."""

        def answer(part: pd.DataFrame) -> pd.DataFrame:
            return self.make(state, part, schema)

        hold_row_by_row((answer, other), rows, made, self.said, "the training rows")

    def restore(self, state: Mapping[str, Any], schema: Schema) -> LearnedEncoder:
        columns = tuple(Column(name, kind) for name, kind in state["columns"])
        inner = self.of.restore(state["encoder"], self.wider(schema, columns))
        return LearnedEncoder(self, schema, state["learned"], columns, inner)

    @property
    def said(self) -> str:
        return f"{self.path}: transform"

    @property
    def cross_fits(self) -> bool:
        """Whether ``fit`` asks for the target."""
        return len(inspect.signature(_new(self.path).fit).parameters) > 1

    def learn(self, rows: pd.DataFrame, schema: Schema) -> dict[str, Any]:
        """What the class learns from rows, as JSON values."""
        if self.cross_fits and not {*schema.target_names} <= {*rows}:
            raise UserError(
                f"{self.path}: fit asks for the target, which a feature set with statistics: {self.statistics} is not "
                "shown; leave statistics out, or the target"
            )
        target = schema.target_of(rows).reset_index(drop=True) if self.cross_fits else None
        return learned(self.path, _seen(rows, schema), target)

    def make(self, state: Mapping[str, Any], rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
        """The columns of rows, in their order, by what was learned."""
        made = transformed(self.path, state, shown(rows, schema))
        numbers = made.select_dtypes("number")
        if len(bad := numbers.columns[np.isinf(numbers.to_numpy(dtype="float64")).any(axis=0)]):
            raise UserError(f"{self.said} gives '{bad[0]}' infinite values; give finite numbers, or none")
        if taken := [name for name in made if name in rows]:
            raise UserError(f"{self.said} gives '{taken[0]}', which the rows have already; give it another name")
        return made

    def wider(self, schema: Schema, columns: tuple[Column, ...]) -> Schema:
        return replace(schema, columns=(*schema.columns, *columns))


@dataclass(frozen=True)
class LearnedEncoder:
    settings: Learned
    schema: Schema
    learned: Mapping[str, Any]
    columns: tuple[Column, ...]
    inner: Encoder

    @property
    def reads(self) -> list[str]:
        return [column.name for column in self.schema.columns]

    @property
    def spec(self) -> Spec:
        return self.inner.spec

    def encode(self, rows: pd.DataFrame, training: InnerFolds | None = None) -> Encoded:
        made = self.settings.make(self.learned, rows, self.schema)
        if training is not None and self.settings.cross_fits:
            for learn, answer in training():
                state = self.settings.learn(rows.iloc[learn], self.schema)
                part = self.settings.make(state, rows.iloc[answer], self.schema)
                for name in made:
                    made[name] = made[name].where(~np.isin(np.arange(len(made)), answer), part[name])
        return self.inner.encode(rows.assign(**typed(made, self.columns)), training=training)

    def state(self) -> dict[str, Any]:
        columns = [[column.name, column.kind] for column in self.columns]
        return {"learned": dict(self.learned), "columns": columns, "encoder": self.inner.state()}


def shown(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """What one's own class sees: typed rows without target, folds and images."""
    unseen = (*schema.target_names, FOLD, WEIGHT, *schema.names("image"))
    seen = rows.drop(columns=[name for name in unseen if name in rows])
    return seen.astype({name: "str" for name in seen if seen[name].dtype == "category"})


def _seen(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """As they are shown in a new process too, where they are numbered anew."""
    return shown(rows, schema).reset_index(drop=True)


def learned(path: str, rows: pd.DataFrame, target: Any) -> dict[str, Any]:
    """What the class learns from rows as they are shown, as JSON values. target: None where it does not ask for it."""
    learner = _new(path)
    try:
        with left_alone(), environment_put_back():
            learner.fit(rows, *([] if target is None else [target.copy()]))
    except (Exception, SystemExit) as error:
        raise UserError(f"{path}: fit raised {described(error)}") from error
    return {name: _to_json(value, f"{path}: its attribute '{name}'") for name, value in vars(learner).items()}


def transformed(path: str, state: Mapping[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of rows as they are shown, by what was learned."""
    learner = _new(path)
    vars(learner).clear()
    vars(learner).update({name: _from_json(value) for name, value in state.items()})
    return answered(learner.transform, rows, f"{path}: transform", ())


def _new(path: str) -> Any:
    kind = learner_of(load(path))
    if kind is None:
        raise UserError(f"{path}: has no class with fit and transform")
    try:
        learner = kind()
        vars(learner)
    except Exception as error:
        raise UserError(f"{path}: its class needs to be made without arguments, and no __slots__") from error
    return learner


def _alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, numbers but for the last digits."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return set(one) == set(other) and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def _short(value: Any) -> str:
    told = json.dumps(value)
    return told if len(told) <= 40 else f"{told[:39]}…"


def typed(made: pd.DataFrame, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Numbers as float64, all else as text."""
    return {
        column.name: made[column.name].astype("float64" if column.kind == "number" else "str") for column in columns
    }


def _to_json(value: Any, what: str) -> Any:
    """A value as JSON can hold it: mappings as pairs, since their keys may be numbers."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Mapping):
        return {"pairs": [[_to_json(key, what), _to_json(one, what)] for key, one in value.items()]}
    if isinstance(value, list):
        return [_to_json(one, what) for one in value]
    if isinstance(value, tuple):
        return {"tuple": [_to_json(one, what) for one in value]}
    if isinstance(value, np.ndarray):
        return {"array": _to_json(value.tolist(), what), "dtype": value.dtype.name}
    raise UserError(
        f"{what} is a {type(value).__name__}, and only numbers, texts, lists and dicts are kept; "
        "use .to_dict() or .tolist()"
    )


def _from_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "float" in value:
            return float(value["float"])
        if "tuple" in value:
            return tuple(map(_from_json, value["tuple"]))
        if "array" in value:
            return np.array(_from_json(value["array"]), dtype=value["dtype"])
        return {_from_json(key): _from_json(one) for key, one in value["pairs"]}
    return [_from_json(one) for one in value] if isinstance(value, list) else value


def through(raw: Any, own: OwnColumns) -> Any:
    """A feature set's settings behind the class of one's own columns; as they are where the file has none."""
    if learner_of(load(own.path)) is None:
        return raw
    return {"name": "learned", "path": own.path, "of": raw}
