"""A competition's raw rows -> ``Schema``, typed rows and their folds: what ``preprocess`` writes, and what ``add``
tries before it lets a competition in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.cleaning import Clean
from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.memory import give_memory_back
from pipeline.core.registry import settings_dict
from pipeline.core.schema import LEVELS
from pipeline.core.sections import Columns
from pipeline.core.types import FOLD, WEIGHT, Schema
from pipeline.features.extra_rows import EXTRA, VALID, as_trained, with_extra, with_validation
from pipeline.features.own_columns import with_own_columns
from pipeline.features.raw_checks import check_raw
from pipeline.features.row_weights import RowWeights, check_folds
from pipeline.features.schema import apply, check
from pipeline.features.settling import settle
from pipeline.images.places import Place
from pipeline.text.cleaning.cleaning import Changes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class ImagesOf:
    """Where image files lie, by set of rows; and the folder that arrays of images go to (None: to no place that
    stays)."""

    places: Mapping[str, Place]
    into: Path | None


NO_FILES = ImagesOf({}, None)


def _kept_names(columns: Columns) -> list[str | None]:
    """Raw columns that are something besides the name of an image file."""
    return [columns.id, *columns.targets, columns.group, columns.time, columns.fold, columns.weight]


def read_as_text(competition: CompetitionConfig) -> list[str | None]:
    """Raw columns to be read to the character: ids, labels of classes, texts to be told, names of files, and those of a
    declared format (a reader would make 1.234 of 1.234,0, and 7.0 of 007 where another cell is empty)."""
    columns = competition.columns
    words = competition.task.target_kind in (*LEVELS, "text")
    files = [how.files for how in columns.images.values() if how.files is not None]
    return [columns.id, *(columns.targets if words else ()), *files, *columns.formats]


def texts_of(train: pd.DataFrame) -> tuple[str, ...]:
    """The columns that a raw training table has as text, see ``Schema.as_text``."""
    return tuple(str(name) for name in train if train[name].dtype == "str")


def raw_facts(competition: CompetitionConfig, where: str) -> dict[str, Any]:
    """What ``check_raw`` and ``settle`` ask about a competition. where: its training file."""
    columns = competition.columns
    return {
        "id": columns.id,
        "target": columns.target,
        "drop": columns.drop,
        "keep": [column for column in (columns.group, columns.time, columns.fold) if column],
        "target_kind": competition.task.target_kind,
        "formats": {name: form for name, form in columns.formats.items() if name != columns.weight},
        "missing": competition.source.missing,
        "where": where,
    }


def typed_rows(
    competition: CompetitionConfig,
    raw: dict[str, pd.DataFrame],
    names: Mapping[str, str],
    warn: Callable[[str], object],
    memo: dict[str, Any] | None = None,
    changes: Changes | None = None,
    images: ImagesOf = NO_FILES,
) -> tuple[Schema, pd.DataFrame, pd.DataFrame | None, int]:
    """Check, settle the types once, and apply them to both; the training rows with their ``FOLD``, those of the
    valid file behind them, rows from elsewhere last and with -1; and how many of these there are.

    raw: ``train``; where there are such rows, ``valid``, ``test``, and ``extra-0`` and on. Taken out on the way, since
    a large table need not be there twice. names: of their files. warn: is told of rows from other files that are known
    already.
    memo: see ``settle``; emptied, since columns as text are large. changes: is told what cleaning changed. images:
    where image files lie, and go as arrays.
    Raises UserError naming file, column, row and rule.
    """
    from pipeline.images.reading import with_images

    train_file, own, columns = names["train"], competition.own_columns, competition.columns
    if not competition.split.from_file:
        raw.pop(VALID, None)
    elif VALID not in raw:
        raise UserError(
            f"{train_file}: split holdout with rows: valid needs a file valid.csv or the like beside it, and there is "
            "none; name it as source.valid, or choose rows: random or last"
        )
    types, mark, as_text = dict(columns.types), competition.source.mark, texts_of(raw["train"])
    for stem in raw:
        if own is not None:
            keep = [columns.id] if columns.id is not None else []
            raw[stem] = with_own_columns(raw[stem], own.path, columns.targets, names[stem], keep=keep, held=True)
        if mark is not None:
            if mark in raw[stem]:
                raise UserError(f"{names[stem]}: has a column '{mark}', which source.mark adds; choose another name")
            raw[stem] = raw[stem].assign(**{mark: float(stem.startswith(EXTRA))})
            types[mark] = "number"
    read = with_images(
        raw, columns.images, images.places, names, keep=_kept_names(columns), into=images.into, warn=warn
    )
    row_weights = RowWeights.out_of(competition, raw, names)
    facts = raw_facts(competition, train_file)
    learned = competition.task.learns_target
    check_raw(raw["train"], raw.get("test"), learned=learned, test_where=names.get("test", "test"), **facts)
    schema = settle(raw["train"], raw.get("test"), types=types, memo=memo, **facts)
    if memo is not None:
        memo.clear()
    schema = replace(schema, own_columns=None if own is None else own.path, mark=mark, images=read, as_text=as_text)
    weights, schema = row_weights.read(schema) if row_weights is not None else ({}, schema)
    schema = replace(schema, clean=_clean(competition.clean, schema, train_file))
    rows = _applied(schema, raw.pop("train"), train_file, True, changes)
    test_rows = _applied(schema, raw.pop("test"), names["test"], False, changes) if "test" in raw else None
    try:
        competition.task.fit_target(schema.target_of(rows), schema)  # refuses what its transform cannot take
        rows[FOLD] = competition.split.assign(rows, columns, task_is_class=competition.task.target_kind == "class")
    except UserError as error:
        raise UserError(f"{train_file}: {error}") from None
    if weights:
        rows[WEIGHT] = weights["train"]
    if VALID in raw:
        held_out = _more(competition, schema, raw, VALID, rows, names, weights, changes, warn)
        rows = with_validation(rows, held_out, schema, names[VALID], warn)
    if weights:
        check_folds(competition, rows, train_file, warn)
    declared = len(rows)
    for stem in sorted(raw):
        more = _more(competition, schema, raw, stem, rows, names, weights, changes, warn)
        rows = with_extra(rows, test_rows, more, schema, columns, names[stem], warn)
    return schema, rows, test_rows, len(rows) - declared


def _more(
    competition: CompetitionConfig,
    schema: Schema,
    raw: dict[str, pd.DataFrame],
    stem: str,
    rows: pd.DataFrame,
    names: Mapping[str, str],
    weights: Mapping[str, np.ndarray],
    changes: Changes | None,
    warn: Callable[[str], object],
) -> pd.DataFrame:
    """Typed rows of another file with answers, taken out of ``raw``."""
    read = as_trained(schema, raw.pop(stem), rows, list(competition.columns.formats), names[stem], warn)
    more = _applied(schema, read, names[stem], True, changes)
    if weights:
        more[WEIGHT] = weights[stem]
    return more


def new_rows(
    schema: Schema,
    raw: pd.DataFrame,
    where: str,
    folder: Path = Path(),
    warn: Callable[[str], object] = warnings.warn,
) -> pd.DataFrame:
    """Typed rows of raw ones that came later, one's own columns and images included. folder: of image files."""
    if schema.own_columns is not None:
        raw = with_own_columns(raw, schema.own_columns, schema.target_names, where)
    if schema.images:
        from pipeline.images.reading import settled_columns, with_images

        new = {"test": raw}
        keep = (schema.id, *schema.target_names, *schema.keep)
        declared, places = settled_columns(schema.images), {"test": Place(folder)}
        with_images(new, declared, places, {"test": where}, keep=keep, settled=schema.images, warn=warn)
        raw = new["test"]
    if schema.mark is not None and schema.mark not in raw:
        raw = raw.assign(**{schema.mark: 0.0})
    return apply(schema, raw, training=False, where=where)


def _clean(clean: Clean, schema: Schema, where: str) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """The steps of each column that has any. A target keeps its file's own spelling, unless it is named: answers are
    held against that."""
    targets = schema.target_names if schema.target_kind == "text" else ()
    texts = [*schema.names("text"), *targets]
    if odd := [name for name in clean.columns if name not in texts]:
        raise UserError(
            f"{where}: clean: no column '{odd[0]}' of texts{did_you_mean(odd[0], texts)}; "
            f"columns.types.{odd[0]}: text makes one of it"
        )
    steps = {name: clean.columns.get(name, clean.steps if name not in targets else ()) for name in texts}
    return {name: tuple(map(settings_dict, some)) for name, some in steps.items() if some}


def _applied(schema: Schema, raw: pd.DataFrame, where: str, training: bool, changes: Changes | None) -> pd.DataFrame:
    rows = apply(schema, raw, training=training, where=where, changes=changes)
    del raw
    give_memory_back()
    check(schema, rows, where, training=training)
    return rows
