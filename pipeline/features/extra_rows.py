"""Training rows of other files: read as their own file writes, and put behind those of the training file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.sections import Columns
from pipeline.core.types import FOLD, Schema
from pipeline.features import values
from pipeline.features.column_words import Words, as_the_others, likely_format
from pipeline.features.number_formats import NumberFormat
from pipeline.features.values import is_numeric

if TYPE_CHECKING:
    import pandas as pd

EXTRA = "extra-"
"""How the files of training rows from elsewhere are named in ``raw/``, a number behind."""
VALID = "valid"
"""The file of rows that validate."""


def as_trained(
    schema: Schema,
    raw: pd.DataFrame,
    rows: pd.DataFrame,
    declared: Sequence[str],
    where: str,
    warn: Callable[[str], object],
) -> pd.DataFrame:
    """Raw rows of another file as the schema reads them: their numbers may be written otherwise than the training
    file's, and have other marks for a missing value.

    rows: the typed training rows. declared: columns whose format is, and holds here too.
    Raises UserError for a column that is missing, and for rows without a target.
    """
    import pandas as pd

    _check_columns(schema, raw, where, warn)
    asked = [values.text(raw[name], schema.target_missing) for name in schema.target_names]
    if (none := pd.concat(asked, axis=1).isna().all(axis=1)).any():
        row, target = int(none.to_numpy().argmax()), raw[schema.target_names[0]]
        values.raise_at(where, target, row, "needs a target, got a missing value; give it or take the row out")
    read = {column.origin or column.name: column for column in schema.columns if column.kind == "number"}
    written = {name: (one.format, one.missing, one.origin) for name, one in read.items()}
    if schema.target_kind in ("number", "numbers"):
        written |= {name: (schema.formats.get(name), (), None) for name in schema.target_names}
    texts = [name for name in written if name in raw and not is_numeric(raw[name]) and raw[name].dtype.kind != "M"]
    words = {name: Words.of([raw[name]], (*schema.missing, *written[name][1])) for name in texts}
    likely = likely_format(words.values(), [raw[name] for name in raw if raw[name].dtype.name != "image"])
    changed: dict[str, Any] = {}
    for name, some in words.items():
        form, _, date = written[name]
        if some.marks and some.whole and name not in schema.target_names:
            changed[name] = some.train
            warn(f"{where}: column '{name}': {', '.join(map(repr, some.marks))} taken for missing")
        if date is None and name not in declared and name in rows:
            ours = NumberFormat() if form is None else NumberFormat.parse(form)
            own = some.number_format(ours.written if form is not None else likely)
            if own is not None and own.doubtful and form is None and likely is None:
                own = as_the_others(own, rows[name], [some.train])
            other = own is not None and (own.written != ours.written or own.inexact > ours.inexact)
            if own is not None and own.unit in ("", ours.unit) and other:
                changed[name] = pd.Series(own.read(some.train), index=raw.index, name=name)
                warn(f"{where}: column '{name}': numbers written {own}")
    return raw.assign(**changed)


def _check_columns(schema: Schema, raw: pd.DataFrame, where: str, warn: Callable[[str], object]) -> None:
    columns = [str(name) for name in raw]
    if absent := [name for name in schema.target_names if name not in columns]:
        hint = did_you_mean(absent[0], columns)
        raise UserError(f"{where}: no column '{absent[0]}', the target: its rows are to be learned from{hint}")
    features = dict.fromkeys(column.origin or column.name for column in schema.columns)
    known = {*features, *schema.keep, *schema.dropped, *schema.target_names, schema.id}
    odd = [name for name in columns if name not in known]
    if absent := [name for name in (*features, *schema.keep) if name not in columns]:
        raise UserError(
            f"{where}: column '{absent[0]}' is missing, and the training file has it; add it, empty where it is not "
            f"known, or name it under columns.drop{did_you_mean(absent[0], odd)}"
        )
    if odd:
        many = f"columns {', '.join(map(repr, odd[:5]))} are" if len(odd) > 1 else f"column '{odd[0]}' is"
        warn(f"{where}: {many} not in the training file, and left out")


def with_extra(
    rows: pd.DataFrame,
    test: pd.DataFrame | None,
    more: pd.DataFrame,
    schema: Schema,
    columns: Columns,
    where: str,
    warn: Callable[[str], object],
) -> pd.DataFrame:
    """Training rows and those from elsewhere, without those that are among the first: a fold would train on what it
    is validated on."""
    import pandas as pd

    features = [column.name for column in schema.columns if column.name != schema.mark]
    whole = [*features, *schema.target_names]
    known = _hashes(more, whole).isin(set(_hashes(rows, whole))).to_numpy()
    if (group := columns.group) is not None and (shared := more[group].isin(rows[group])).any():
        warn(f"{where}: {int(shared.sum())} of its rows are of groups of the training file, which folds keep together")
    if known.any():
        warn(f"{where}: {int(known.sum())} of its {len(more)} rows are training rows already, and are left out")
    if test is not None and (seen := _hashes(more, features).isin(set(_hashes(test, features))).to_numpy()).any():
        warn(f"{where}: {int(seen.sum())} of its {len(more)} rows are test rows, with their answer")
    return pd.concat([rows, more[~known].assign(**{FOLD: -1})], ignore_index=True)


def with_validation(
    rows: pd.DataFrame, valid: pd.DataFrame, schema: Schema, where: str, warn: Callable[[str], object]
) -> pd.DataFrame:
    """Training rows, and those of the file that validates. What both hold is told: its score says little."""
    import pandas as pd

    whole = [*(column.name for column in schema.columns), *schema.target_names]
    if known := int(_hashes(valid, whole).isin(set(_hashes(rows, whole))).sum()):
        warn(f"{where}: {known} of its {len(valid)} rows are training rows too, so its score flatters")
    return pd.concat([rows, valid.assign(**{FOLD: 0})], ignore_index=True)


def _hashes(rows: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    import pandas as pd

    return pd.util.hash_pandas_object(rows[list(columns)], index=False)
