"""How much each training row counts in a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.config import CompetitionConfig
from pipeline.core.errors import UserError, did_you_mean
from pipeline.core.types import FOLD, WEIGHT
from pipeline.features import values
from pipeline.features.number_formats import number_format

if TYPE_CHECKING:
    import pandas as pd


def weighs_rows(competition: CompetitionConfig) -> bool:
    """Whether training rows may count differently."""
    return competition.columns.weight is not None or competition.source.extra_weight != 1


def read_weights(competition: CompetitionConfig, raw: pd.DataFrame, where: str, *, extra: bool) -> np.ndarray:
    """Weights of raw training rows, float64 [rows]: their own, 1 where the file names none.

    extra: whether they come from elsewhere; then the column may be absent, and ``source.extra_weight`` multiplies.
    Raises UserError for a weight that is no finite number of 0 or more.
    """
    name = competition.columns.weight
    weights = np.ones(len(raw))
    if name is not None and name in raw:
        missing = competition.source.missing
        form = None if values.is_numeric(raw[name]) else number_format(values.text(raw[name], missing))
        number, bad = values.numbers(raw[name], missing, None if form is None else str(form))
        weights = np.asarray(number, dtype=np.float64)
        if (bad := bad | ~(weights >= 0)).any():
            row = int(bad.argmax())
            got = values.got(raw[name], row)
            values.raise_at(
                where, raw[name], row, f"needs a weight of 0 or more, got {got}; mend it or take the row out"
            )
        if not weights.any():
            raise UserError(f"{where}: column '{name}': needs a weight above 0 somewhere, and all are 0")
    elif name is not None and not extra:
        hint = did_you_mean(name, map(str, raw.columns))
        raise UserError(f"{where}: no column '{name}' (declared as columns.weight){hint}")
    return weights * (competition.source.extra_weight if extra else 1.0)


def check_folds(competition: CompetitionConfig, rows: pd.DataFrame, where: str) -> None:
    """Raises UserError where a fold's training rows all weigh nothing."""
    fold, weight = rows[FOLD].to_numpy(), rows[WEIGHT].to_numpy()
    for k in range(int(fold.max()) + 1):
        if not weight[competition.split.training_rows(fold, k)].any():
            raise UserError(f"{where}: column '{competition.columns.weight}': all rows that train for fold {k} weigh 0")
